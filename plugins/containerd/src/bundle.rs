//! Pure: the `config.json` of a bundle → what its engine wrote into it about the container.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use serde::Deserialize;

use unstale_plugin::instance;

/// What the annotations of a bundle tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Bundle {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) image: Option<Vec<u8>>,
    /// The namespace in Kubernetes and the name of the pod there.
    pub(crate) pod: Option<(String, String)>,
    /// Whether Podman made it, which shares CRI-O's storage.
    pub(crate) of_podman: bool,
    /// Whether nerdctl made it.
    pub(crate) of_nerdctl: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    annotations: Option<HashMap<String, String>>,
}

/// `None` for what no engine would have written.
pub(crate) fn parse_bundle(json: &[u8]) -> Option<Bundle> {
    let config: Config = serde_json::from_slice(json).ok()?;
    let annotations = config.annotations.unwrap_or_default();
    let first = |keys: &[&str]| {
        let mut values = keys.iter().filter_map(|key| annotations.get(*key));
        values.find(|value| !value.is_empty()).map(String::as_str)
    };
    let namespace = first(&[
        "io.kubernetes.cri.sandbox-namespace",
        "io.kubernetes.pod.namespace",
        "io.kubernetes.cri-o.Namespace",
    ]);
    let pod = first(&[
        "io.kubernetes.cri.sandbox-name",
        "io.kubernetes.pod.name",
        "io.kubernetes.cri-o.KubeName",
    ]);
    let name = if first(CONTAINER_TYPE) == Some("sandbox") {
        // What keeps the namespaces of a pod goes by the pod's name.
        pod
    } else {
        first(&[
            "io.kubernetes.cri.container-name",
            "io.kubernetes.container.name",
            "nerdctl/name",
        ])
    };
    Some(Bundle {
        name: name.and_then(instance::text),
        image: first(&[
            "io.kubernetes.cri.image-name",
            "io.kubernetes.cri-o.ImageName",
        ])
        .and_then(instance::text),
        pod: namespace
            .zip(pod)
            .map(|(namespace, pod)| (namespace.to_owned(), pod.to_owned())),
        of_podman: first(&["io.container.manager"]) == Some("libpod"),
        of_nerdctl: annotations.keys().any(|key| key.starts_with("nerdctl/")),
    })
}

const CONTAINER_TYPE: &[&str] = &[
    "io.kubernetes.cri.container-type",
    "io.kubernetes.cri-o.ContainerType",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_bundles() {
        for json in [
            "",
            "{",
            "null",
            r#"{"annotations":[]}"#,
            r#"{"annotations":{"a":7}}"#,
        ] {
            assert_eq!(parse_bundle(json.as_bytes()), None, "{json}");
        }
        for json in ["{}", r#"{"annotations":null,"x":[[[]]]}"#] {
            assert_eq!(
                parse_bundle(json.as_bytes()),
                Some(Bundle::default()),
                "{json}"
            );
        }
    }
}
