//! The bridge, crossed inside one process.
