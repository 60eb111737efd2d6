//! unstale
fn main() {}
