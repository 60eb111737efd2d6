//! What a plugin is offered while it looks at one process: [`abi::Host`], turned into questions to the host.
//!
//! The plugin is not believed. What it hands over can only harm this process, but is checked so far that a mistake ends
//! as a message: lengths, null, sizes of structs.
#![expect(unsafe_code, reason = "the C ABI hands over pointers")]

use std::ffi::c_void;

use unstale_plugin::{Refused, abi};

use super::channel::Channel;
use super::lend::{Lent, bytes, size_of_u32};
use crate::model::{Bytes, Instance};
use crate::plugins::loader::Loaded;
use crate::plugins::wire::{self, FromWorker, Root, ToWorker, What};

/// No path, name or line of text is longer.
const TEXT_CAP: usize = 64 * 1024;

/// Behind the `ctx` of a call.
struct Visit<'a> {
    channel: &'a mut Channel,
    /// What was handed out by the call before: it stays until the next one.
    shown: Vec<u8>,
    /// The first thing that the plugin did wrong.
    fault: Option<String>,
}

type Ctx = *mut c_void;

/// Lets the plugin look at a process. Its answer, and what it did wrong.
pub(super) fn inspect(
    plugin: Loaded,
    lent: &Lent<'_>,
    channel: &mut Channel,
) -> (i32, Option<String>) {
    let mut visit = Visit {
        channel,
        shown: Vec::new(),
        fault: None,
    };
    let host = abi::Host {
        size: size_of_u32::<abi::Host>(),
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        ctx: (&raw mut visit).cast(),
        read: Some(read),
        read_at: Some(read_at),
        stat: Some(stat),
        list: Some(list),
        read_link: Some(read_link),
        memory: Some(memory),
        uses: Some(uses),
        instance: Some(instance),
        note: Some(note),
        unknown: Some(unknown),
    };
    let process = lent.process();
    // SAFETY: both outlive the call, and all that they point to. It is one thread: the filter allows no other.
    let answer = unsafe { plugin.inspect()(&raw const process, &raw const host) };
    (answer, visit.fault)
}

/// # Safety
/// `ctx` is that of the [`abi::Host`] of the `inspect` that runs, and no reference to the visit is in use.
unsafe fn visit<'a>(ctx: Ctx) -> &'a mut Visit<'a> {
    // SAFETY: `inspect` made it from a visit, which is there until the plugin comes back.
    unsafe { &mut *ctx.cast::<Visit<'a>>() }
}

impl Visit<'_> {
    fn ask(&mut self, question: &FromWorker) -> Result<(ToWorker, Vec<u8>), Refused> {
        match self.channel.ask(question) {
            Ok((ToWorker::Refused(why), _)) => Err(why.into()),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Refused::Failed),
        }
    }

    /// Asks for bytes and shows them.
    fn show(&mut self, question: &FromWorker) -> Result<abi::Bytes, Refused> {
        self.shown = match self.ask(question)? {
            (ToWorker::Bytes(_), content) => content,
            (ToWorker::Link(target), _) => target.0,
            _ => return Err(Refused::Failed),
        };
        Ok(bytes(&self.shown))
    }

    /// If the stream is gone, so is whoever would want to know.
    fn say(&mut self, line: &FromWorker) {
        self.channel.say(line).ok();
    }

    fn say_uses(&mut self, uses: wire::Uses) {
        self.channel.say_uses(uses).ok();
    }

    fn blame(&mut self, what: String) -> Refused {
        self.fault.get_or_insert(what);
        Refused::Failed
    }

    /// Copies what the plugin lends for a call.
    ///
    /// # Safety
    /// `lent.ptr` is null or points to `lent.len` bytes.
    unsafe fn take(&mut self, lent: abi::Bytes) -> Result<Vec<u8>, Refused> {
        if lent.len == 0 {
            return Ok(Vec::new());
        }
        if lent.ptr.is_null() || lent.len > TEXT_CAP {
            let at = if lent.ptr.is_null() {
                " at no address"
            } else {
                ""
            };
            return Err(self.blame(format!("it handed over {} bytes{at}", lent.len)));
        }
        // SAFETY: not null, of a length that can be, and the caller promises the rest.
        Ok(unsafe { std::slice::from_raw_parts(lent.ptr, lent.len) }.to_vec())
    }

    /// # Safety
    /// As [`take`](Self::take).
    unsafe fn take_bytes(&mut self, lent: abi::Bytes) -> Result<Bytes, Refused> {
        // SAFETY: the caller's promise.
        unsafe { self.take(lent) }.map(Bytes)
    }

    /// # Safety
    /// As [`take`](Self::take).
    unsafe fn take_optional(&mut self, lent: abi::OptionalBytes) -> Result<Option<Bytes>, Refused> {
        if lent.present == 0 {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { self.take_bytes(lent.value) }.map(Some)
    }

    /// # Safety
    /// As [`take`](Self::take).
    unsafe fn take_text(&mut self, lent: abi::Bytes) -> Result<String, Refused> {
        // SAFETY: the caller's promise.
        let text = unsafe { self.take(lent)? };
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Copies a struct whose first field is its size; all its fields are of the first version of the ABI.
    ///
    /// # Safety
    /// `from` is null or points to as many bytes as its first field says, and `T` is made of integers and pointers.
    unsafe fn take_struct<T: Copy>(&mut self, from: *const T, what: &str) -> Result<T, Refused> {
        if from.is_null() || !from.is_aligned() {
            return Err(self.blame(format!("it handed over no {what}")));
        }
        // SAFETY: neither null nor odd.
        let size = unsafe { from.cast::<u32>().read() };
        if size < size_of_u32::<T>() {
            return Err(self.blame(format!("it handed over {size} bytes as {what}")));
        }
        // SAFETY: it has all the fields.
        Ok(unsafe { from.read() })
    }

    fn root(&mut self, code: u32) -> Result<Root, Refused> {
        match code {
            0 => Ok(Root::Process),
            1 => Ok(Root::Host),
            _ => Err(self.blame(format!("it asked for root {code}"))),
        }
    }

    /// # Safety
    /// As [`take`](Self::take).
    unsafe fn place(&mut self, root: u32, path: abi::Bytes) -> Result<(Root, Bytes), Refused> {
        let root = self.root(root)?;
        // SAFETY: the caller's promise.
        Ok((root, unsafe { self.take_bytes(path)? }))
    }
}

/// What a call answers.
fn code(result: Result<(), Refused>) -> abi::Answer {
    result.map_or_else(abi::refused_code, |()| 0)
}

/// # Safety
/// `out` is null or can be written to.
unsafe fn hand_out(
    visit: &mut Visit<'_>,
    question: Result<FromWorker, Refused>,
    out: *mut abi::Bytes,
) -> abi::Answer {
    code(question.and_then(|question| {
        if out.is_null() {
            return Err(visit.blame("it has no place for the answer".to_owned()));
        }
        let shown = visit.show(&question)?;
        // SAFETY: not null, and the caller promises the rest.
        unsafe { out.write_unaligned(shown) };
        Ok(())
    }))
}

// SAFETY of all that follow: the plugin calls them while it inspects, with the `ctx` that it got. What else it hands over
// is as the ABI says, or this process crashes, which costs what this plugin had to say.

unsafe extern "C" fn read(ctx: Ctx, root: u32, path: abi::Bytes, out: *mut abi::Bytes) -> i32 {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        let question = visit
            .place(root, path)
            .map(|(root, path)| FromWorker::Read { root, path });
        hand_out(visit, question, out)
    }
}

unsafe extern "C" fn read_at(
    ctx: Ctx,
    root: u32,
    path: abi::Bytes,
    offset: u64,
    size: u32,
    out: *mut abi::Bytes,
) -> i32 {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        let question = visit
            .place(root, path)
            .map(|(root, path)| FromWorker::ReadAt {
                root,
                path,
                offset,
                size,
            });
        hand_out(visit, question, out)
    }
}

unsafe extern "C" fn read_link(ctx: Ctx, root: u32, path: abi::Bytes, out: *mut abi::Bytes) -> i32 {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        let question = visit
            .place(root, path)
            .map(|(root, path)| FromWorker::ReadLink { root, path });
        hand_out(visit, question, out)
    }
}

unsafe extern "C" fn memory(ctx: Ctx, address: u64, size: u32, out: *mut abi::Bytes) -> i32 {
    // SAFETY: see above.
    unsafe { hand_out(visit(ctx), Ok(FromWorker::Memory { address, size }), out) }
}

unsafe extern "C" fn stat(ctx: Ctx, root: u32, path: abi::Bytes, out: *mut abi::Stat) -> i32 {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        code(stat_into(visit, root, path, out))
    }
}

/// # Safety
/// As [`Visit::take_struct`]; `out` can be written to.
unsafe fn stat_into(
    visit: &mut Visit<'_>,
    root: u32,
    path: abi::Bytes,
    out: *mut abi::Stat,
) -> Result<(), Refused> {
    // SAFETY: the caller's promise.
    let (root, path) = unsafe {
        visit.take_struct(out, "place for a stat")?;
        visit.place(root, path)?
    };
    let (ToWorker::Stat(found), _) = visit.ask(&FromWorker::Stat { root, path })? else {
        return Err(Refused::Failed);
    };
    visit.shown = found.real_path.0;
    // SAFETY: it is there, whole, and said so.
    unsafe {
        (&raw mut (*out).kind).write(kind_code(found.kind));
        (&raw mut (*out).size).write(found.size);
        (&raw mut (*out).real_path).write(bytes(&visit.shown));
    }
    Ok(())
}

unsafe extern "C" fn list(
    ctx: Ctx,
    root: u32,
    path: abi::Bytes,
    on_entry: Option<abi::OnEntry>,
    back: Ctx,
) -> i32 {
    let entries = {
        // SAFETY: see above.
        let visit = unsafe { visit(ctx) };
        let Some(on_entry) = on_entry else {
            return code(Err(visit.blame("it has no ear for a list".to_owned())));
        };
        // SAFETY: see above.
        let question = unsafe { visit.place(root, path) };
        let answer = question.and_then(|(root, path)| visit.ask(&FromWorker::List { root, path }));
        match answer {
            Ok((ToWorker::Entries(entries), _)) => (entries, on_entry),
            Ok(_) => return abi::refused_code(Refused::Failed),
            Err(why) => return abi::refused_code(why),
        }
    };
    // The visit is not in use here: the plugin may ask more while it is told.
    let (entries, on_entry) = entries;
    for (name, kind) in &entries {
        // SAFETY: the plugin handed over both, and the name outlives the call.
        unsafe { on_entry(back, bytes(&name.0), kind_code(*kind)) };
    }
    0
}

unsafe extern "C" fn note(ctx: Ctx, text: abi::Bytes) {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        if let Ok(text) = visit.take_text(text) {
            visit.say(&FromWorker::Note(text));
        }
    }
}

unsafe extern "C" fn unknown(ctx: Ctx, text: abi::Bytes) {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        if let Ok(text) = visit.take_text(text) {
            visit.say(&FromWorker::Unknown(text));
        }
    }
}

unsafe extern "C" fn uses(ctx: Ctx, used: *const abi::Used) {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        if let Ok(used) = take_uses(visit, used) {
            visit.say_uses(used);
        }
    }
}

/// # Safety
/// As [`Visit::take_struct`], and as [`Visit::take`] for what is in it.
unsafe fn take_uses(visit: &mut Visit<'_>, used: *const abi::Used) -> Result<wire::Uses, Refused> {
    use unstale_plugin::{How, Role};
    // SAFETY: the caller's promise.
    let (used, path, was, via) = unsafe {
        let used = visit.take_struct(used, "finding")?;
        let path = visit.take_bytes(used.path)?;
        let was = visit.take_bytes(used.was)?;
        (used, path, was, visit.take_optional(used.via)?)
    };
    let descriptor = u32::try_from(used.handle);
    let what = match (used.what, descriptor) {
        (0, _) => What::File(path),
        (1, Ok(number)) => What::Descriptor(number),
        (2, _) => What::Mapping(used.handle),
        (3, _) => What::Link {
            root: visit.root(used.root)?,
            link: path,
            was,
        },
        (what, _) => return Err(visit.blame(format!("its finding is of a kind {what}"))),
    };
    let role = match used.role {
        0 => Role::Script,
        1 => Role::Module,
        2 => Role::Archive,
        3 => Role::Revision,
        role => return Err(visit.blame(format!("its finding has a role {role}"))),
    };
    let how = match used.how {
        0 => How::Loaded,
        1 => How::Imported,
        2 => How::Possible,
        how => return Err(visit.blame(format!("its finding is known by a way {how}"))),
    };
    Ok(wire::Uses {
        what,
        role: role.into(),
        how: how.into(),
        via,
    })
}

unsafe extern "C" fn instance(ctx: Ctx, instance: *const abi::Instance) {
    // SAFETY: see above.
    unsafe {
        let visit = visit(ctx);
        if let Ok(instance) = take_instance(visit, instance) {
            visit.say(&FromWorker::Instance(instance));
        }
    }
}

/// # Safety
/// As [`take_uses`].
unsafe fn take_instance(
    visit: &mut Visit<'_>,
    instance: *const abi::Instance,
) -> Result<Instance, Refused> {
    use unstale_plugin::Part;
    // SAFETY: the caller's promise.
    unsafe {
        let instance = visit.take_struct(instance, "instance")?;
        let part = match instance.part {
            0 => Part::Payload,
            1 => Part::Helper,
            part => return Err(visit.blame(format!("its instance has a part {part}"))),
        };
        let restart = visit.take_optional(instance.restart)?;
        Ok(Instance {
            name: visit.take_bytes(instance.name)?,
            id: visit.take_optional(instance.id)?,
            image: visit.take_optional(instance.image)?,
            pod: visit.take_optional(instance.pod)?,
            project: visit.take_optional(instance.project)?,
            part: part.into(),
            restart: restart.map(|name| String::from_utf8_lossy(&name.0).into_owned()),
        })
    }
}

fn kind_code(kind: wire::Kind) -> u32 {
    match kind {
        wire::Kind::File => 0,
        wire::Kind::Directory => 1,
        wire::Kind::Link => 2,
        wire::Kind::Other => 3,
    }
}
