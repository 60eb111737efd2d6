//! rpm.
