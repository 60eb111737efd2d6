//! Against the interpreters of this machine: what a program has really loaded is in what its sources are said to import.

use std::fs;
use std::process::Command;

use unstale_plugin::How;

use crate::support::{Running, files, interpreters};

/// Prints the source files that the running interpreter has read, then waits.
const TELL: &str = r#"
def _tell():
    import sys
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        spec = getattr(module, "__spec__", None)
        origin = getattr(spec, "origin", None)
        if not file or origin in ("frozen", "built-in") or not file.endswith(".py"):
            continue
        if file.endswith(("/importlib/_bootstrap.py", "/importlib/_bootstrap_external.py")):
            continue  # frozen, whatever it says
        print(file)
    print("ready", flush=True)
    sys.stdin.read()
_tell()
"#;

/// Modules that no source names plainly: C code imports them, or functions that run at every start.
const FROM_C: [&str; 14] = [
    "/_strptime.py",
    "/copyreg.py",
    "/_compat_pickle.py",
    "/numbers.py",
    "/warnings.py",
    "/locale.py",
    "/_bootlocale.py",
    "/collections/abc.py",
    "/_py_warnings.py",
    "/encodings/latin_1.py",
    "/encodings/ascii.py",
    // Read by `site` for `.pth` files and, in 3.6, for the user's directory.
    "/encodings/utf_8_sig.py",
    "/python3.6/sysconfig.py",
    "/encodings/cp437.py",
];

#[track_caller]
fn check(name: &str, imports: &str) {
    for python in interpreters() {
        // What somebody has installed for another interpreter may run any code when that starts.
        let own_site = python.starts_with("/usr/bin");
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("shop/inner")).unwrap();
        fs::write(at("shop/__init__.py"), "from .cart import Cart\n").unwrap();
        fs::write(
            at("shop/cart.py"),
            "from . import price\nfrom .inner.deep import (\n    x, # y\n)\nclass Cart: pass\n",
        )
        .unwrap();
        fs::write(at("shop/price.py"), "import shop.cart\n").unwrap();
        fs::write(at("shop/unused.py"), "").unwrap();
        fs::write(at("shop/inner/__init__.py"), "").unwrap();
        fs::write(
            at("shop/inner/deep.py"),
            "from ..price import __name__ as x\n",
        )
        .unwrap();
        fs::write(at("sibling.py"), "").unwrap();
        fs::write(at("main.py"), format!("{imports}\n{TELL}")).unwrap();
        let running = Running::start(
            Command::new(&python)
                .args(if own_site { None } else { Some("-S") })
                .arg(at("main.py"))
                .env_remove("PYTHONPATH"),
        );
        let said = running.inspect();
        assert!(said.unknown.is_empty(), "{name}: {:?}", said.unknown);
        let found = files(&said);
        let own = directory.path().to_str().unwrap();
        let mut missing = Vec::new();
        for file in &running.lines {
            let from_c = FROM_C.iter().any(|known| file.ends_with(known))
                || file.contains("/_sysconfigdata_");
            match found.get(file) {
                Some(how) if file.starts_with(own) => assert_ne!(*how, How::Possible, "{file}"),
                Some(_) => {}
                None if from_c => {}
                None => missing.push(file),
            }
        }
        assert!(
            missing.is_empty(),
            "{name} with {}: {missing:#?}",
            python.display()
        );
        assert!(running.lines.len() > 3, "{:?}", running.lines);
        for absent in ["sibling.py", "shop/unused.py"] {
            let path = at(absent);
            assert!(!found.contains_key(path.to_str().unwrap()), "{absent}");
        }
        let loaded = running.lines.len();
        let surely = found.values().filter(|how| **how == How::Imported).count();
        println!(
            "{name} {}: {loaded} loaded, {surely} found",
            python.display()
        );
        // A closure that names everything would pass the rest of this test.
        assert!(surely <= loaded + 8, "{name}: {surely} of {loaded}");
    }
}

#[test]
fn t6_09_own_packages() {
    check("own", "import shop");
    check("own part", "from shop import cart");
    check("own deep", "import shop.inner.deep as d, json");
}

#[test]
fn t6_14_standard_library() {
    check("json", "import json, argparse, logging.config");
    check("asyncio", "import asyncio");
    check("http", "import http.server, urllib.request");
    check(
        "mail",
        "from email.mime.text import MIMEText\nimport smtplib",
    );
    check(
        "xml",
        "import xml.etree.ElementTree as E; import xml.dom.minidom",
    );
    check("db", "import sqlite3, csv, decimal, fractions");
    check("tests", "import unittest, doctest");
    check("pools", "import concurrent.futures, multiprocessing.pool");
    check("typing", "import typing, string, enum, contextlib, pathlib");
}

/// A virtual environment that the interpreter itself makes, and `-m` in it.
#[test]
fn t6_06_real_environment() {
    for python in interpreters() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let made = Command::new(&python)
            .args(["-m", "venv", "--without-pip"])
            .arg(at("venv"))
            .status()
            .unwrap();
        assert!(made.success(), "{}", python.display());
        let library = fs::read_dir(at("venv/lib"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let site = library.path().join("site-packages");
        fs::create_dir(site.join("tool")).unwrap();
        fs::write(site.join("tool/__init__.py"), "").unwrap();
        fs::write(site.join("tool/part.py"), "import outside\n").unwrap();
        fs::write(site.join("tool/never.py"), "").unwrap();
        let text = format!("from .part import outside\n{TELL}");
        fs::write(site.join("tool/__main__.py"), text).unwrap();
        fs::create_dir(at("work")).unwrap();
        fs::write(at("work/outside.py"), "").unwrap();
        fs::write(site.join("work.pth"), at("work").to_str().unwrap()).unwrap();
        let running = Running::start(
            Command::new(at("venv/bin/python3"))
                .args(["-m", "tool"])
                .env_remove("PYTHONPATH"),
        );
        let said = running.inspect();
        assert!(said.unknown.is_empty(), "{}: {said:#?}", python.display());
        let found = files(&said);
        let own = directory.path().to_str().unwrap();
        let loaded: Vec<&String> = running
            .lines
            .iter()
            .filter(|file| file.starts_with(own))
            .collect();
        assert_eq!(loaded.len(), 4, "{loaded:?}");
        for file in &loaded {
            assert!(found.contains_key(*file), "{file}: {found:#?}");
        }
        let ours = found.keys().filter(|file| file.starts_with(own));
        assert_eq!(ours.count(), loaded.len(), "{found:#?}");
    }
}
