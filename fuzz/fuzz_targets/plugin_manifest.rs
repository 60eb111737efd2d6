//! Manifests of plugins, and files of the configuration; behind a NUL, a name and an id to put into a command.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use unstale::config::{Layer, Origin, Settings, Users};
use unstale::model::is_tame;
use unstale::plugins::interest::Interests;
use unstale::plugins::manifest::{Filling, Manifest};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(3, |&byte| byte == 0);
    let (text, name, id) = (parts.next(), parts.next(), parts.next());
    let Ok(text) = std::str::from_utf8(text.unwrap_or_default()) else {
        return;
    };
    let nobody = Users::of(Path::new("/dev/null"));
    let layers = Layer::parse(Origin::Shipped, text, &nobody);
    match layers.and_then(|layer| Settings::merged(&[layer.clone(), layer])) {
        Ok(settings) => drop(settings),
        Err(error) => assert!(error.lines().iter().all(|line| line.chars().all(is_tame))),
    }
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(error.lines().iter().all(|line| line.chars().all(is_tame)));
            return;
        }
    };
    let name = name.unwrap_or_default();
    let interests = Interests::of([&manifest]);
    let _ = (interests.of_exe(name), interests.of_cgroup(name));
    assert!(!manifest.wants.shows_of_host(b"/etc/shadow"));
    let filling = Filling {
        name,
        id,
        project: id,
        user: Some(1000),
    };
    for way in manifest.restarts() {
        if let Ok(words) = manifest.restart_argv(way, &filling) {
            assert!(words[0].starts_with('/') && !words[0].contains("/../"));
            assert!(!words.iter().any(|word| word.contains(char::is_control)));
        }
    }
});
