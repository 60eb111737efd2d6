//! Bytes of dockerd's files → what we use of them.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use serde::Deserialize;

/// A container's `config.v2.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Metadata {
    /// With the slash before it that dockerd keeps.
    name: String,
    /// The id of its image, `sha256:…`.
    pub(crate) image: String,
    /// The storage driver, after which a directory of images is named.
    pub(crate) driver: String,
    config: Config,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    /// As it was asked for: `nginx`, `lab/nginx:1`.
    image: String,
    labels: Option<HashMap<String, String>>,
}

/// `None` for what dockerd would not have written.
pub(crate) fn parse_metadata(json: &[u8]) -> Option<Metadata> {
    serde_json::from_slice(json).ok()
}

impl Metadata {
    /// As `docker ps` prints it.
    pub(crate) fn name(&self) -> &str {
        self.name.strip_prefix('/').unwrap_or(&self.name)
    }

    /// The image as it was asked for.
    pub(crate) fn image_name(&self) -> &str {
        &self.config.image
    }

    /// The image as it was asked for, with the first digits of its id.
    pub(crate) fn image_shown(&self) -> String {
        let id = self.image.get(..19).unwrap_or(&self.image);
        match self.config.image.as_str() {
            "" => id.to_owned(),
            name if id.is_empty() || name.starts_with("sha256:") => name.to_owned(),
            name => format!("{name} ({id})"),
        }
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let value = self.config.labels.as_ref()?.get(key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Repositories {
    repositories: HashMap<String, HashMap<String, String>>,
}

/// The id of the image that has a name now, from `repositories.json`.
pub(crate) fn parse_image_id(json: &[u8], name: &str) -> Option<String> {
    let stored: Repositories = serde_json::from_slice(json).ok()?;
    let (repository, reference) = match name.rsplit_once('/').unwrap_or(("", name)).1 {
        // By digest: such a name never moves.
        last if last.contains('@') => return None,
        last => match last.rsplit_once(':') {
            Some((_, tag)) => (&name[..name.len() - tag.len() - 1], name.to_owned()),
            None => (name, format!("{name}:latest")),
        },
    };
    stored
        .repositories
        .get(repository)?
        .get(&reference)
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = r#"{"Repositories":{
        "lab/nginx":{"lab/nginx:1":"sha256:aa"},
        "web":{"web:latest":"sha256:bb"},
        "reg:5000/x":{"reg:5000/x:2":"sha256:cc"}}}"#;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let id = parse_image_id(STORED.as_bytes(), name);
        assert_eq!(id.as_deref(), expected);
    }

    #[test]
    fn names_of_images() {
        check("lab/nginx:1", Some("sha256:aa"));
        check("lab/nginx", None);
        check("web", Some("sha256:bb"));
        check("web:latest", Some("sha256:bb"));
        check("reg:5000/x:2", Some("sha256:cc"));
        check("reg:5000/x", None);
        check("web@sha256:bb", None);
        check("", None);
        check(":", None);
        check("/", None);
    }

    #[test]
    fn damaged_files() {
        for json in [
            "",
            "{",
            "null",
            r#"{"Name":7}"#,
            r#"{"Repositories":7,"Config":7}"#,
            "\u{0}",
        ] {
            assert!(parse_metadata(json.as_bytes()).is_none(), "{json}");
            assert!(parse_image_id(json.as_bytes(), "web").is_none(), "{json}");
        }
        let empty = parse_metadata(b"{}").unwrap();
        assert_eq!((empty.name(), empty.image_shown().as_str()), ("", ""));
        // As deep as it likes.
        let deep = format!(r#"{{"X":{}}}"#, "[".repeat(500_000));
        assert!(parse_metadata(deep.as_bytes()).is_none());
    }

    #[test]
    fn images_by_id() {
        let run_by_id =
            r#"{"Image":"sha256:0123456789abcdef","Config":{"Image":"sha256:0123456789abcdef"}}"#;
        let metadata = parse_metadata(run_by_id.as_bytes()).unwrap();
        assert_eq!(metadata.image_shown(), "sha256:0123456789abcdef");
        let nameless = parse_metadata(br#"{"Image":"sha256:0123456789abcdef"}"#).unwrap();
        assert_eq!(nameless.image_shown(), "sha256:0123456789ab");
    }
}
