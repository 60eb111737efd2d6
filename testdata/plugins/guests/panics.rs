//! A detector that panics when it is told to, and remembers across that.

/// How many processes it was shown.
#[derive(Debug, Default)]
pub struct Panics(u32);

impl unstale_plugin::Detector for Panics {
    fn inspect(
        &mut self,
        process: &unstale_plugin::Process,
        _: &dyn unstale_plugin::FileView,
        report: &mut dyn unstale_plugin::Report,
    ) {
        self.0 += 1;
        report.note(&format!("seen {}", self.0));
        if process.argv.is_empty() {
            let none: Option<u8> = None;
            none.expect("on purpose");
        }
    }
}

unstale_plugin::export_detector!(Panics, "name = \"panics\"\n");
