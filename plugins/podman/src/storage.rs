//! The lists of containers-storage(5): which containers and images there are. Podman writes names and images of its
//! containers there.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use serde::Deserialize;

use unstale_plugin::{FileView, Refused, Root};

/// A driver's directories are called after it: `overlay-containers`.
const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];

/// Containers with `--rm` are in the second one.
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// A container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) image_name: String,
    pub(crate) image_id: String,
    /// Under which directory and driver it was found, for the list of images there.
    images: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    id: String,
    names: Option<Vec<String>>,
    image: String,
    /// JSON in a string.
    metadata: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "image-name")]
    image_name: String,
    name: String,
}

/// All containers of a user or of the system, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    by_id: HashMap<String, Stored>,
    /// Lists that are there and could not be used.
    pub(crate) refused: Vec<(Vec<u8>, Refused)>,
}

impl Containers {
    pub(crate) fn get(&self, id: &[u8]) -> Option<&Stored> {
        self.by_id.get(std::str::from_utf8(id).ok()?)
    }

    /// The containers below these directories (`/var/lib/containers/storage`), the first one counting where an id is in
    /// several.
    pub(crate) fn read(storages: &[Vec<u8>], files: &dyn FileView) -> Self {
        let mut containers = Self::default();
        for storage in storages {
            for driver in DRIVERS {
                for list in LISTS {
                    containers.read_list(storage, driver, list, files);
                }
            }
        }
        containers
    }

    fn read_list(&mut self, storage: &[u8], driver: &str, list: &str, files: &dyn FileView) {
        let below = format!("/{driver}-containers/{list}");
        let path = [storage, below.as_bytes()].concat();
        let parsed = match files.read(Root::Host, &path) {
            Ok(json) => parse_containers(&json).ok_or(Refused::WrongKind),
            Err(Refused::Missing) => return,
            Err(refused) => Err(refused),
        };
        match parsed {
            Ok(listed) => {
                let images = [storage, format!("/{driver}-images/images.json").as_bytes()].concat();
                for (id, mut stored) in listed {
                    stored.images.clone_from(&images);
                    self.by_id.entry(id).or_insert(stored);
                }
            }
            Err(refused) => self.refused.push((path, refused)),
        }
    }

    /// Whether all that was refused stays so for the next process.
    pub(crate) fn settled(&self) -> bool {
        let passing = |refused: &Refused| matches!(refused, Refused::Budget | Refused::NoAnswer);
        !self.refused.iter().any(|(_, refused)| passing(refused))
    }
}

impl Stored {
    /// The id of the image that the name of the container's image stands for now, if that is another one.
    pub(crate) fn newer_image(&self, files: &dyn FileView) -> Option<String> {
        let json = files.read(Root::Host, &self.images).ok()?;
        parse_image_id(&json, &self.image_name).filter(|id| *id != self.image_id)
    }
}

fn parse_containers(json: &[u8]) -> Option<Vec<(String, Stored)>> {
    let listed: Vec<Listed> = serde_json::from_slice(json).ok()?;
    let stored = |listed: Listed| {
        let metadata: Metadata = serde_json::from_str(&listed.metadata).unwrap_or_default();
        let name = listed.names.unwrap_or_default().into_iter().next();
        let stored = Stored {
            name: name.unwrap_or(metadata.name),
            image_name: metadata.image_name,
            image_id: listed.image,
            images: Vec::new(),
        };
        (listed.id, stored)
    };
    Some(listed.into_iter().map(stored).collect())
}

fn parse_image_id(json: &[u8], name: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Image {
        id: String,
        names: Option<Vec<String>>,
    }
    let images: Vec<Image> = serde_json::from_slice(json).ok()?;
    let named = |image: &Image| {
        let names = image.names.as_deref().unwrap_or_default();
        !name.is_empty() && names.iter().any(|other| other == name)
    };
    images.into_iter().find(named).map(|image| image.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lists() {
        for json in [
            "",
            "[",
            "null",
            "{}",
            r#"[{"id":7}]"#,
            r#"[{"id":"a","names":"b"}]"#,
        ] {
            assert!(parse_containers(json.as_bytes()).is_none(), "{json}");
        }
        let containers =
            parse_containers(br#"[{"id":"a","metadata":"{"},{"names":null}]"#).unwrap();
        assert_eq!(containers.len(), 2);
        assert_eq!(containers[0].1.name, "");
    }

    #[test]
    fn names_of_images() {
        let json = br#"[{"id":"a"},{"id":"b","names":["x:1","y:1"]},{"id":"c","names":null}]"#;
        assert_eq!(parse_image_id(json, "y:1").as_deref(), Some("b"));
        assert_eq!(parse_image_id(json, "z:1"), None);
        assert_eq!(parse_image_id(json, ""), None);
        assert_eq!(parse_image_id(b"7", "y:1"), None);
    }
}
