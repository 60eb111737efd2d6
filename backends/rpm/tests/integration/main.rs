//! Against the real rpm: databases are made with `rpmbuild` and `rpm`, and both are asked the same questions.
#![forbid(unsafe_code)]
// The marks tell clippy that these modules are tests throughout.

#[cfg(test)]
mod hygiene;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod live;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod versions;
