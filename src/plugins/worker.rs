//! The inside of the wall: between a plugin that speaks the C ABI and a host that speaks the [wire](super::wire).

mod channel;
mod lend;
mod offer;

use std::os::fd::BorrowedFd;

use unstale_plugin::abi;

use super::loader::Loaded;
use super::wire::{FromWorker, ToWorker};
use channel::{Channel, Gone};
use lend::Lent;

/// Answers the host on `stream` until it has nothing more to look at, or is gone. `plugin` is what came of loading it.
///
/// # Errors
/// Why the conversation broke.
pub fn serve(
    stream: BorrowedFd<'static>,
    name: &str,
    plugin: Result<Loaded, String>,
) -> Result<(), String> {
    let mut channel = Channel::new(stream);
    match talk(&mut channel, name, plugin) {
        Ok(()) | Err(Gone::Ended) => Ok(()),
        Err(Gone::Broken(why)) => Err(why),
    }
}

fn talk(channel: &mut Channel, name: &str, plugin: Result<Loaded, String>) -> Result<(), Gone> {
    let ToWorker::Hello {
        abi: spoken,
        options,
    } = channel.hear()?
    else {
        return Err(Gone::Broken("the host does not say hello".to_owned()));
    };
    let plugin = plugin.and_then(|plugin| match spoken.split_once('.') {
        Some((major, _)) if major == abi::ABI_MAJOR.to_string() => Ok(plugin),
        _ => Err(format!("the host speaks version {spoken} of the ABI")),
    });
    let plugin = match plugin {
        Ok(plugin) => plugin,
        Err(why) => {
            channel.say(&FromWorker::Unusable(why))?;
            return channel.flush();
        }
    };
    let name = name.to_owned();
    channel.say(&FromWorker::Ready { name })?;
    loop {
        channel.flush()?;
        let ToWorker::Inspect(process) = channel.hear()? else {
            return Err(Gone::Broken("the host asks for something else".to_owned()));
        };
        let lent = Lent::new(&process, &options);
        let (answer, fault) = offer::inspect(plugin, &lent, channel);
        let end = match (fault, answer) {
            (Some(fault), _) => FromWorker::Failed(fault),
            (None, 0) => FromWorker::Done { pid: process.pid },
            (None, abi::INSPECT_PANICKED) => FromWorker::Failed("it panicked".to_owned()),
            (None, abi::INSPECT_UNUSABLE) => {
                FromWorker::Failed("it could not use what it was given".to_owned())
            }
            (None, other) => FromWorker::Failed(format!("it answered {other}")),
        };
        channel.say(&end)?;
    }
}
