//! unstale
