//! Pure: `backup.yaml` → the image. The daemon writes it with fixed indents, so lines are enough; text that a user gave over
//! several lines stands deeper than what is looked for.

#![forbid(unsafe_code)]

use unstale_plugin::instance;

/// The image that an instance was made from: its description and the first digits of its fingerprint.
pub(crate) fn parse_image(text: &[u8]) -> Option<Vec<u8>> {
    let value = |key: &str| {
        let mut lines = text.split(|&byte| byte == b'\n').take(200);
        let value = lines.find_map(|line| line.strip_prefix(key.as_bytes()))?;
        let value = std::str::from_utf8(value).ok()?.trim();
        let bare = value.trim_matches(|quote| quote == '"' || quote == '\'');
        (!bare.is_empty()).then_some(bare)
    };
    let fingerprint =
        value("    volatile.base_image: ").filter(|text| instance::is_id(text.as_bytes()));
    let fingerprint = fingerprint.and_then(|text| text.get(..12));
    let shown = match (value("    image.description: "), fingerprint) {
        (Some(description), Some(fingerprint)) => format!("{description} ({fingerprint})"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => return None,
    };
    instance::text(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let image = parse_image(text.as_bytes());
        assert_eq!(image.as_deref(), expected.map(str::as_bytes));
    }

    #[test]
    fn images() {
        let base = "    volatile.base_image: 02acffdfdc1775984be506967aa23a59bf74e6524a3a88906cdce4d5272c1769\n";
        check(
            &format!("    image.description: lab\n{base}"),
            Some("lab (02acffdfdc17)"),
        );
        check(base, Some("02acffdfdc17"));
        check("    image.description: \"a b\"\n", Some("a b"));
        check(
            "    user.x: |\n      volatile.base_image: 0123456789ab\n",
            None,
        );
        check("    volatile.base_image: ../x\n", None);
        check("    image.description: \n", None);
        check("", None);
    }
}
