//! The part on reboots.

use serde_json::{Map, Value, json};

use super::put;
use crate::detect::microcode;
use crate::model::{
    Banner, Cause, KernelState, KernelVerdict, Reboot, Setting, Timestamp, Upgrade,
};
use crate::report::Assessment;
use crate::report::reboot::level;

pub(super) fn reboot(assessment: &Assessment<'_>) -> Value {
    let reboot = &assessment.reboot;
    if reboot.level.is_none() {
        let because = "nobody looked, or not in time: a check of one user's processes does not, nor did the version that recorded this bundle";
        return json!({"level": "not-assessed", "since": null, "causes": [], "notes": [],
            "because": [{"rule": "reboot.not-assessed", "why": because}]});
    }
    let because: Vec<Value> = reboot
        .causes
        .iter()
        .map(|cause| json!({"rule": cause.rule, "why": cause.why}))
        .collect();
    let list = |causes: &[Cause]| causes.iter().map(cause).collect::<Vec<_>>();
    json!({
        "level": level(assessment),
        "since": time(reboot.since()),
        "because": because,
        "causes": list(&reboot.causes),
        "notes": list(&reboot.notes),
        "kernel": kernel(assessment, reboot),
        "microcode": microcode(assessment),
    })
}

fn cause(cause: &Cause) -> Value {
    json!({
        "rule": cause.rule,
        "level": cause.level.word(),
        "why": cause.why,
        "since": time(cause.since),
        "packages": cause.packages.iter().map(upgrade).collect::<Vec<_>>(),
    })
}

fn upgrade(one: &Upgrade) -> Value {
    json!({"name": one.name, "old": one.old, "new": one.new})
}

fn kernel(assessment: &Assessment<'_>, reboot: &Reboot) -> Value {
    let Some(state) = &reboot.kernel else {
        let boot = assessment.bundle.facts.boot.as_ref();
        let verdict = match boot.map(|boot| &boot.setting) {
            Some(Setting::Container(_) | Setting::OtherRoot) => "not-applicable",
            Some(Setting::Machine) | None => "unknown",
        };
        return json!({"verdict": verdict, "running": null, "next": null});
    };
    let mut value = json!({
        "verdict": state.verdict.word(),
        "running": banner(&state.running),
        "next": next(state),
        "modules_gone": state.modules_gone,
        "live_patched_by": state.live_patched_by,
    });
    if let KernelVerdict::Unknown(why) = &state.verdict {
        value["why"] = json!(why);
    }
    value
}

fn next(state: &KernelState) -> Value {
    let Some(next) = &state.next else {
        return Value::Null;
    };
    let mut value = banner(&next.banner);
    if let Value::Object(map) = &mut value {
        put(map, "image", &next.path);
        map.insert("by_loader".into(), json!(next.by_loader));
        map.insert("since".into(), time(Some(next.since)));
    }
    value
}

fn banner(banner: &Banner) -> Value {
    let mut map = Map::new();
    put(&mut map, "release", &banner.release);
    put(&mut map, "version", &banner.version);
    Value::Object(map)
}

fn microcode(assessment: &Assessment<'_>) -> Value {
    let facts = &assessment.bundle.facts;
    let judged = microcode::judge_next(facts, assessment.reboot.kernel.as_ref());
    let processor = |judged: &microcode::Judged<'_>| {
        let mut value = json!({
            "verdict": judged.verdict.word(),
            "signature": format!("{:#x}", judged.processor.signature),
            "packages": judged.processor.packages,
            "running": format!("{:#x}", judged.processor.revision),
            "best": judged.best.map(|best| format!("{:#x}", best.revision)),
            "why": judged.why.to_string(),
        });
        if let (Some(best), Value::Object(map)) = (judged.best, &mut value) {
            put(map, "file", &best.file);
        }
        value
    };
    json!({
        "verdict": microcode::worst(&judged).word(),
        "processors": judged.iter().map(processor).collect::<Vec<_>>(),
    })
}

/// RFC 3339; null where nobody tells.
fn time(time: Option<Timestamp>) -> Value {
    let Some(time) = time else {
        return Value::Null;
    };
    let nanos = i32::try_from(time.nanos).unwrap_or_default();
    jiff::Timestamp::new(time.secs, nanos).map_or(Value::Null, |time| json!(format!("{time:.3}")))
}
