//! The firmware of a Raspberry Pi: `config.txt` names the image, or the model does (Raspberry Pi documentation,
//! *config.txt*: *Boot options*, *Conditional filters*).

use super::{Choice, Disk, Said, not_understood, unreadable};

const DIRECTORIES: [&str; 2] = ["/boot/firmware", "/boot"];
const MODEL: &str = "/sys/firmware/devicetree/base/model";
const CAP: u64 = 256 * 1024;
/// Files that include files.
const DEPTH: usize = 4;
/// Files altogether.
const FILES: usize = 32;

/// A model, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Model {
    /// The name it has in the text of its device tree, behind `Raspberry Pi `.
    name: &'static [u8],
    /// Sections that are meant for it.
    sections: &'static [&'static [u8]],
    /// Its image in 32 bits; empty if it knows only 64.
    image: &'static [u8],
    /// Whether it starts in 64 bits if nobody says anything.
    wide: bool,
}

/// The more special name comes first.
const MODELS: [Model; 17] = [
    model(b"Compute Module 5", &[b"pi5", b"cm5"], b"", true),
    model(b"500", &[b"pi5", b"pi500"], b"", true),
    model(b"5", &[b"pi5"], b"", true),
    model(
        b"Compute Module 4S",
        &[b"pi4", b"cm4s"],
        b"kernel7l.img",
        true,
    ),
    model(
        b"Compute Module 4",
        &[b"pi4", b"cm4"],
        b"kernel7l.img",
        true,
    ),
    model(b"400", &[b"pi4", b"pi400"], b"kernel7l.img", true),
    model(b"4", &[b"pi4"], b"kernel7l.img", true),
    model(
        b"Compute Module 3 Plus",
        &[b"pi3", b"pi3+", b"cm3", b"cm3+"],
        b"kernel7.img",
        false,
    ),
    model(
        b"Compute Module 3",
        &[b"pi3", b"cm3"],
        b"kernel7.img",
        false,
    ),
    model(b"3 Model B Plus", &[b"pi3", b"pi3+"], b"kernel7.img", false),
    model(b"3 Model A Plus", &[b"pi3", b"pi3+"], b"kernel7.img", false),
    model(b"3", &[b"pi3"], b"kernel7.img", false),
    model(b"2", &[b"pi2"], b"kernel7.img", false),
    model(
        b"Zero 2",
        &[b"pi0", b"pi0w", b"pi02"],
        b"kernel7.img",
        false,
    ),
    model(b"Zero W", &[b"pi0", b"pi0w"], b"kernel.img", false),
    model(b"Zero", &[b"pi0"], b"kernel.img", false),
    model(b"Model", &[b"pi1"], b"kernel.img", false),
];

const fn model(
    name: &'static [u8],
    sections: &'static [&'static [u8]],
    image: &'static [u8],
    wide: bool,
) -> Model {
    Model {
        name,
        sections,
        image,
        wide,
    }
}

/// What `config.txt` sets. `None`: it depends on what no file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    kernel: Option<Vec<u8>>,
    prefix: Option<Vec<u8>>,
    wide: Option<Vec<u8>>,
}

/// `None` on other machines.
pub(super) fn read(disk: &Disk<'_, '_>) -> Option<Said> {
    let mut said = Said::default();
    let model = disk.files.read(MODEL, 4096).ok()??;
    let model = model.strip_prefix(b"Raspberry Pi ")?;
    let model = MODELS
        .into_iter()
        .find(|known| model.starts_with(known.name));
    for directory in DIRECTORIES {
        let path = format!("{directory}/config.txt");
        let text = match disk.files.read(&path, CAP) {
            Ok(None) => continue,
            Ok(Some(text)) => text,
            Err(why) => {
                said.notes.push(unreadable(path.as_bytes(), &why));
                return Some(said);
            }
        };
        let include = |name: &[u8]| {
            let path = [directory.as_bytes(), b"/", name].concat();
            disk.files
                .read(&path, CAP)
                .map_err(|why| unreadable(&path, &why))
        };
        let images =
            parse_config(&text, model, &include).and_then(|settings| images(settings, model));
        match images {
            // U-Boot or an EFI firmware comes next, and has files of its own.
            Ok(images) if images.iter().any(|image| is_other_loader(image)) => return None,
            Ok(images) => said.choice = Some(choice(disk, images, directory, path)),
            Err(what) => said.notes.push(not_understood(path.as_bytes(), &what)),
        }
        return Some(said);
    }
    None
}

fn is_other_loader(image: &[u8]) -> bool {
    let name = image.to_ascii_lowercase();
    let is = |word: &[u8]| name.windows(word.len()).any(|window| window == word);
    is(b"u-boot") || is(b"uboot") || name.ends_with(b".fd")
}

fn choice(disk: &Disk<'_, '_>, images: Vec<Vec<u8>>, directory: &str, source: String) -> Choice {
    let place = |image: &Vec<u8>| [directory.as_bytes(), b"/", image].concat();
    let places: Vec<Vec<u8>> = images.iter().map(place).collect();
    let is_there = |path: &&Vec<u8>| matches!(disk.files.find(path), Ok(Some(_)));
    let found = places.iter().position(|path| is_there(&path)).unwrap_or(0);
    Choice {
        id: images[found].clone(),
        title: Vec::new(),
        places,
        release: None,
        source: source.into_bytes(),
    }
}

/// Reads included files, by name.
type Include<'a> = &'a dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, String>;

/// The settings of a `config.txt`.
fn parse_config(
    text: &[u8],
    model: Option<Model>,
    include: Include<'_>,
) -> Result<Settings, String> {
    let mut reader = Reader {
        model,
        include,
        files: 0,
        settings: Settings {
            kernel: Some(Vec::new()),
            prefix: Some(Vec::new()),
            wide: Some(Vec::new()),
        },
        by_model: Some(true),
        by_other: Some(true),
    };
    reader.file(text, 0)?;
    Ok(reader.settings)
}

struct Reader<'a> {
    model: Option<Model>,
    include: Include<'a>,
    files: usize,
    settings: Settings,
    /// Whether the section is for this model.
    by_model: Option<bool>,
    /// Whether it holds otherwise: serial numbers, screens, pins.
    by_other: Option<bool>,
}

impl Reader<'_> {
    fn file(&mut self, text: &[u8], depth: usize) -> Result<(), String> {
        self.files += 1;
        if depth > DEPTH || self.files > FILES {
            return Err("files include one another, too deep".to_owned());
        }
        for line in text.split(|&byte| byte == b'\n') {
            let line = line.trim_ascii();
            if let Some(name) = line
                .strip_prefix(b"[")
                .and_then(|rest| rest.strip_suffix(b"]"))
            {
                self.section(&name.to_ascii_lowercase());
            } else if let Some(name) = line.strip_prefix(b"include ") {
                self.include(name.trim_ascii(), depth)?;
            } else if let Some(at) = line.iter().position(|&byte| byte == b'=') {
                self.set(&line[..at], &line[at + 1..]);
            }
        }
        Ok(())
    }

    fn section(&mut self, name: &[u8]) {
        match name {
            b"all" => (self.by_model, self.by_other) = (Some(true), Some(true)),
            b"none" => self.by_model = Some(false),
            // A test boot, which somebody has to ask for each time.
            b"tryboot" => self.by_other = Some(false),
            [b'p', b'i', ..] | [b'c', b'm', ..] => {
                self.by_model = self.model.map(|model| model.sections.contains(&name));
            }
            _ => self.by_other = None,
        }
    }

    /// Whether what stands here counts.
    fn counts(&self) -> Option<bool> {
        match (self.by_model, self.by_other) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    fn include(&mut self, name: &[u8], depth: usize) -> Result<(), String> {
        match self.counts() {
            Some(false) => Ok(()),
            Some(true) => match (self.include)(name)? {
                Some(text) => self.file(&text, depth + 1),
                None => Ok(()),
            },
            None => Err("it includes a file under a condition that no file tells".to_owned()),
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        let counts = self.counts();
        let field = match key {
            b"kernel" => &mut self.settings.kernel,
            b"os_prefix" => &mut self.settings.prefix,
            b"arm_64bit" => &mut self.settings.wide,
            _ => return,
        };
        match counts {
            Some(true) => *field = Some(value.to_vec()),
            None if field.as_deref() != Some(value) => *field = None,
            _ => {}
        }
    }
}

/// Images in the order in which the firmware tries them.
fn images(settings: Settings, model: Option<Model>) -> Result<Vec<Vec<u8>>, String> {
    let (Some(kernel), Some(prefix)) = (settings.kernel, settings.prefix) else {
        return Err("it depends on conditions that no file tells".to_owned());
    };
    let names = match kernel.is_empty() {
        false => vec![kernel],
        true => {
            let model = model.ok_or("the model is not known")?;
            let wide = settings
                .wide
                .ok_or("it depends on conditions that no file tells")?;
            let wide = if wide.is_empty() {
                model.wide
            } else {
                wide != b"0"
            };
            match (model.image.is_empty(), wide) {
                (true, _) => vec![b"kernel_2712.img".to_vec(), b"kernel8.img".to_vec()],
                (false, true) => vec![b"kernel8.img".to_vec()],
                (false, false) => vec![model.image.to_vec()],
            }
        }
    };
    // A prefix below which there is nothing is not used.
    let prefixed = names.iter().map(|name| [prefix.as_slice(), name].concat());
    let mut images: Vec<Vec<u8>> = prefixed.collect();
    if !prefix.is_empty() {
        images.extend(names);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(model: &str, text: &str, expected: Result<&str, &str>) {
        let model = MODELS
            .into_iter()
            .find(|known| model.as_bytes().starts_with(known.name));
        let include = |name: &[u8]| match name {
            b"sys.txt" => Ok(Some(b"kernel=included\n".to_vec())),
            b"self.txt" => Ok(Some(b"include self.txt\n".to_vec())),
            _ => Ok(None),
        };
        let found = parse_config(text.as_bytes(), model, &include);
        let found = found.and_then(|settings| images(settings, model));
        let found = found.map(|images| images.join(&b' '));
        let found = found.map(|images| String::from_utf8(images).unwrap());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn t9_12_images_of_models() {
        check("5 Model B Rev 1.0", "", Ok("kernel_2712.img kernel8.img"));
        check(
            "Compute Module 5 Rev 1.0",
            "",
            Ok("kernel_2712.img kernel8.img"),
        );
        check("4 Model B Rev 1.4", "", Ok("kernel8.img"));
        check("400 Rev 1.0", "arm_64bit=0\n", Ok("kernel7l.img"));
        check("3 Model B Plus Rev 1.3", "", Ok("kernel7.img"));
        check("3 Model B Rev 1.2", "arm_64bit=1\n", Ok("kernel8.img"));
        check("Zero 2 W Rev 1.0", "arm_64bit=1", Ok("kernel8.img"));
        check("Zero W Rev 1.1", "", Ok("kernel.img"));
        check("Model B Rev 2", "", Ok("kernel.img"));
        check("9", "", Err("the model is not known"));
    }

    #[test]
    fn t9_12_sections_and_names() {
        const UNKNOWN: Result<&str, &str> = Err("it depends on conditions that no file tells");
        check("4 Model B", "kernel=vmlinuz\n", Ok("vmlinuz"));
        check("9", "kernel=vmlinuz\n", Ok("vmlinuz"));
        check(
            "4 Model B",
            "[pi5]\nkernel=five\n[pi4]\nkernel=four\n[all]\n",
            Ok("four"),
        );
        check("4 Model B", "[pi5]\nkernel=five\n", Ok("kernel8.img"));
        check("9", "[pi5]\nkernel=five\n", UNKNOWN);
        check("4 Model B", "[pi4]\n[0x12345678]\nkernel=serial\n", UNKNOWN);
        check(
            "4 Model B",
            "[pi5]\n[0x12345678]\nkernel=serial\n",
            Ok("kernel8.img"),
        );
        check(
            "4 Model B",
            "[EDID=x]\ngpu_mem=16\n[all]\nkernel=k\n",
            Ok("k"),
        );
        check(
            "4 Model B",
            "[gpio4=1]\nkernel=k\n[all]\nkernel=k\n",
            Ok("k"),
        );
        check(
            "4 Model B",
            "[tryboot]\nos_prefix=new/\n[all]\n",
            Ok("kernel8.img"),
        );
        check(
            "4 Model B",
            "[all]\nkernel=vmlinuz\nos_prefix=current/\n",
            Ok("current/vmlinuz vmlinuz"),
        );
        check("4 Model B", "#kernel=x\r\nkernel=y\r\n", Ok("y"));
        check("4 Model B", "include sys.txt\n", Ok("included"));
        check("4 Model B", "include none.txt\n", Ok("kernel8.img"));
        check(
            "4 Model B",
            "include self.txt\n",
            Err("files include one another, too deep"),
        );
    }
}
