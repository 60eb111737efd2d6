//! dpkg.
