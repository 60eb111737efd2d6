//! The bridge from [`Detector`](crate::Detector) to the C ABI: `export_detector!`.
