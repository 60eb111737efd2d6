//! What tests of this room share.

mod made;

pub(in crate::boot) use made::Made;
