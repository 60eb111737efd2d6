//! Sentence parts that several forms share.

use std::borrow::Cow;

use crate::model::{
    Action, Basis, Because, Bytes, Compared, Escaped, FileStat, How, Instance, Item, Kind, Look,
    Object, Owner, OwnerKind, Package, PackageFact, Part, Role, Rule, Runtime, Scope, Source,
    Timestamp, Verdict, unescape_unit,
};

/// A path as people read it: without what the kernel appended.
pub(super) fn path_of(object: &Object) -> &Bytes {
    object.path.as_ref().unwrap_or(&object.name)
}

/// What was done to an object.
pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Replaced => "was replaced",
        Kind::Gone => "was removed",
        Kind::Overwritten => "was overwritten in place",
        Kind::PathChanged => "was moved aside, and something else is in its place",
        Kind::Alternative => "is no longer the system's choice among alternatives",
        Kind::Detached => "lies on a file system that is no longer mounted",
        Kind::Script | Kind::Archive => "changed after the process had started",
        Kind::Revision => "is no longer the current revision",
    }
}

/// The heading over all owners of an action.
pub(super) fn heading(action: Action) -> &'static str {
    match action {
        Action::Restart => "Restart these services",
        Action::Reexec => "Re-execute these service managers",
        Action::Relogin => "Log out of these sessions, and in again",
        Action::RestartContainer => "Restart these containers",
        Action::RestartVm => "Power-cycle or migrate these virtual machines",
        Action::Defer => "Stale, but the moment is yours to choose",
        Action::Leave => "Stale, and left alone",
    }
}

/// The heading over what is left over.
pub(super) const LEFTOVERS: &str =
    "Left over from an earlier run of their unit, which no restart ends";

/// Whether processes are what outlived the main process of their unit: a restart of that would not renew them.
pub(super) fn is_leftover(because: &[Because]) -> bool {
    because.first().is_some_and(Because::is_leftover)
}

/// A count of things.
pub(super) fn things(count: usize) -> String {
    if count == 1 {
        "1 thing".to_owned()
    } else {
        format!("{count} things")
    }
}

/// An owner by its name, with what tells it from others of that name.
pub(super) fn owner(owner: &Owner) -> String {
    let name = owner.name.escaped().to_string();
    let user = match owner.scope {
        Scope::System => String::new(),
        Scope::User(uid) => format!(" of user {uid}"),
    };
    let inner = owner
        .inner
        .as_ref()
        .map_or_else(String::new, |inner| format!(", {} in it", inner.escaped()));
    match owner.kind {
        OwnerKind::ServiceManager => "PID 1, the service manager".to_owned(),
        OwnerKind::Unit | OwnerKind::OtherService => {
            let plain = Bytes(unescape_unit(owner.name.as_slice()));
            let plain = if plain == owner.name {
                String::new()
            } else {
                format!(" ({})", plain.escaped())
            };
            format!("{name}{plain}{user}")
        }
        OwnerKind::UserManager => format!("the service manager{user}"),
        OwnerKind::Session => format!("session {name}{user}"),
        OwnerKind::App => format!("{name}{user}"),
        OwnerKind::Container(runtime) => {
            let short = if is_id(owner.name.as_slice()) {
                &name[..12]
            } else {
                &name
            };
            format!("{}container {short}{user}{inner}", runtime_word(runtime))
        }
        OwnerKind::VirtualMachine(runtime) => {
            format!("{}virtual machine {name}{user}", runtime_word(runtime))
        }
        OwnerKind::Process => name,
    }
}

/// An owner as its own tools name it, where a detector could tell.
pub(super) fn item(item: &Item) -> String {
    let Some(instance) = instance(item) else {
        return owner(&item.owner);
    };
    let runtime = match item.owner.kind {
        OwnerKind::Container(runtime) => format!("{}container ", runtime_word(runtime)),
        OwnerKind::VirtualMachine(runtime) => {
            format!("{}virtual machine ", runtime_word(runtime))
        }
        _ => String::new(),
    };
    let name = instance.name.escaped();
    let short = |id: &Bytes| {
        id.escaped()
            .to_string()
            .chars()
            .take(12)
            .collect::<String>()
    };
    let id = instance.id.as_ref().or(Some(&item.owner.name));
    let id = id.filter(|id| is_id(id.as_slice()));
    let id = id.map_or_else(String::new, |id| format!(" ({})", short(id)));
    let user = match item.owner.scope {
        Scope::System => String::new(),
        Scope::User(uid) => format!(" of user {uid}"),
    };
    let part = |word: &str, value: &Option<Bytes>| {
        let value = value.as_ref();
        value.map_or_else(String::new, |value| format!(", {word} {}", value.escaped()))
    };
    format!(
        "{runtime}{name}{id}{user}{}{}{}",
        part("project", &instance.project),
        part("pod", &instance.pod),
        part("image", &instance.image)
    )
}

/// What a detector said that an owner is. What runs inside knows better than what helps from outside.
pub(super) fn instance(item: &Item) -> Option<&Instance> {
    let of = |part: Part| {
        let instances = item
            .processes
            .iter()
            .filter_map(|one| one.instance.as_ref());
        instances.into_iter().find(|instance| instance.part == part)
    };
    of(Part::Payload).or_else(|| of(Part::Helper))
}

/// The command that restarts it, for people, who may hand it to a shell: it has the same words there.
pub(super) fn command(item: &Item) -> Option<String> {
    let words: Vec<_> = item
        .restart_command()?
        .iter()
        .map(|word| quoted(word))
        .collect();
    Some(Escaped(words.join(" ").as_bytes()).to_string())
}

/// A word as a shell takes it for one. Manifests may hold any, and so may a bundle that somebody else made.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// What a file is to a process that has no code of it mapped.
pub(super) fn source(source: &Source, sure: bool) -> String {
    let role = match source.role {
        Role::Script => "script ",
        Role::Module => "module ",
        Role::Archive => "archive ",
        Role::Revision => "revision ",
    };
    if sure {
        role.to_owned()
    } else {
        format!("possibly {role}")
    }
}

/// How it is known that a process uses a file.
pub(super) fn how(source: &Source, detector: &str) -> String {
    let how = match source.how {
        How::Loaded => "the process itself shows it",
        How::Imported => "found by reading its sources",
        How::Possible => "its sources may load it",
    };
    let via = source.via.as_ref();
    let via = via.map_or_else(String::new, |via| format!(", from {}", via.escaped()));
    format!("{how}{via} ({} detector)", Escaped(detector.as_bytes()))
}

/// A container's id rather than a name: 64 hexadecimal digits, of which twelve tell it.
fn is_id(name: &[u8]) -> bool {
    name.len() == 64 && name.iter().all(u8::is_ascii_hexdigit)
}

fn runtime_word(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Docker => "docker ",
        Runtime::Podman => "podman ",
        Runtime::Containerd => "containerd ",
        Runtime::CriO => "CRI-O ",
        Runtime::Kubernetes => "Kubernetes ",
        Runtime::Lxc => "LXC ",
        Runtime::Machine => "nspawn ",
        Runtime::Libvirt => "libvirt ",
        Runtime::Qemu => "QEMU ",
        Runtime::BuildKit => "BuildKit ",
        Runtime::Ecs => "ECS ",
        Runtime::Unknown => "",
    }
}

/// The versions of a package: what runs, and what is installed.
pub(super) fn versions(fact: &PackageFact) -> String {
    let name = Escaped(fact.name.as_bytes());
    let old = fact.running_version.as_deref();
    let new = fact.installed_version.as_deref();
    let shown = |text: &str| Escaped(text.as_bytes()).to_string();
    match (old, new) {
        (Some(old), Some(new)) if old == new => format!("{name} {} (reinstalled)", shown(new)),
        (Some(old), Some(new)) => format!("{name} {} → {}", shown(old), shown(new)),
        (None, Some(new)) => format!("{name} → {}", shown(new)),
        (Some(old), None) => format!("{name} {} (removed)", shown(old)),
        (None, None) => format!("{name} (removed)"),
    }
}

/// A package, or what stands in its place.
pub(super) fn package(package: &Package) -> String {
    match package {
        Package::Known(facts) => facts.iter().map(versions).collect::<Vec<_>>().join(", "),
        Package::None => "no package".to_owned(),
        Package::Unknown => "package not known".to_owned(),
    }
}

/// A time, in UTC.
pub(super) fn time(time: Timestamp) -> String {
    let nanos = i32::try_from(time.nanos).unwrap_or_default();
    jiff::Timestamp::new(time.secs, nanos).map_or_else(
        |_| format!("@{}", time.secs),
        |time| format!("{time:.3}").replace('T', " ").replace('Z', " UTC"),
    )
}

/// An object's identity and times.
pub(super) fn object(stat: &FileStat) -> String {
    let links = match stat.links {
        0 => "no name any more".to_owned(),
        1 => "1 name".to_owned(),
        more => format!("{more} names"),
    };
    format!(
        "inode {} on {}:{}, {} bytes, {links}, content of {}, attributes of {}",
        stat.inode,
        stat.device.major,
        stat.device.minor,
        stat.size,
        time(stat.mtime),
        time(stat.ctime)
    )
}

/// How the two contents compare.
pub(super) fn compared(look: &Look) -> Option<String> {
    let ids = match (&look.mapped_build_id, &look.fresh_build_id) {
        (Some(old), Some(new)) if old == new => format!(" (build-id {old} in both)"),
        (Some(old), Some(new)) => format!(" (build-id {old} runs, {new} is on disk)"),
        (Some(old), None) => format!(" (build-id {old} runs)"),
        (None, Some(new)) => format!(" (build-id {new} is on disk)"),
        (None, None) => String::new(),
    };
    let text = match look.content {
        Compared::NotAsked => return None,
        Compared::SameBytes => "byte for byte the same",
        Compared::SameSegments => "everything that is loaded into memory is the same",
        Compared::SameBuildId => "the same build, as far as can be told without reading what runs",
        Compared::Different => "different code",
        Compared::Unreadable => "what runs could not be read to compare",
    };
    Some(format!("{text}{ids}"))
}

/// A verdict, with its reason.
pub(super) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Current => "current: a fresh start would map this very object".to_owned(),
        Verdict::SameCode(Basis::Bytes) => {
            "same code: a new file, byte for byte the old one".to_owned()
        }
        Verdict::SameCode(Basis::Segments) => {
            "same code: a new file, but all that is loaded into memory is the same".to_owned()
        }
        Verdict::SameCode(Basis::BuildId) => {
            "same code: a new file with the same build-id".to_owned()
        }
        Verdict::SameCode(Basis::Attributes) => {
            "same code: touched, but its content is what the package shipped".to_owned()
        }
        Verdict::SameCode(Basis::Reinstalled) => {
            "same code: its package was installed again in the same version".to_owned()
        }
        Verdict::Stale(stale) => format!("STALE: it {}", kind(*stale)),
        Verdict::NotJudged(rule) => format!("not judged: {}", rule_words(*rule)),
        Verdict::Unknown(why) => format!("could not be judged: {why}"),
    }
}

fn rule_words(rule: Rule) -> &'static str {
    match rule {
        Rule::KernelMemory => "memory of the kernel's own making, no file",
        Rule::NotAFile => "no regular file",
        Rule::OwnImage => "a file of an image that the program mounted for itself",
        Rule::NeverNamed => "a file that never had a name",
        Rule::OwnTemporaryFile => {
            "a temporary file that the running program made and removed itself"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words_in_a_shell() {
        let check = |word, shown| assert_eq!(quoted(word), shown);
        check("/usr/bin/docker", "/usr/bin/docker");
        check("--machine=1000@.host", "--machine=1000@.host");
        check("", "''");
        check("web; reboot", "'web; reboot'");
        check("it's $(here)", r"'it'\''s $(here)'");
    }
}
