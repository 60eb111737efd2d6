//! Owners and scopes in records.

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::model::{Bytes, Owner, OwnerKind, Runtime, Scope};
use crate::report::json;

/// An owner, in the words of the other documents.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnerForm {
    kind: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
    #[serde(flatten)]
    scope: ScopeForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_unit_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_base64: Option<String>,
}

impl OwnerForm {
    pub(super) fn of(owner: &Owner) -> Self {
        let runtime = match owner.kind {
            OwnerKind::Container(runtime) | OwnerKind::VirtualMachine(runtime) => Some(runtime),
            _ => None,
        };
        let (name, name_base64) = text_of(&owner.name);
        let (host_unit, host_unit_base64) = optional_text_of(owner.host_unit.as_ref());
        let (inner, inner_base64) = optional_text_of(owner.inner.as_ref());
        let (pod, pod_base64) = optional_text_of(owner.pod.as_ref());
        Self {
            kind: json::kind_of_owner(owner).to_owned(),
            name,
            name_base64,
            scope: ScopeForm::of(owner.scope),
            runtime: runtime.map(|runtime| json::runtime_name(runtime).to_owned()),
            host_unit,
            host_unit_base64,
            inner,
            inner_base64,
            pod,
            pod_base64,
        }
    }

    pub(super) fn read(self) -> Result<Owner, String> {
        let runtime = self.runtime.as_deref();
        Ok(Owner {
            kind: kind_from(&self.kind, runtime)?,
            name: bytes_of(self.name, self.name_base64)?,
            scope: self.scope.read()?,
            host_unit: optional_bytes_of(self.host_unit, self.host_unit_base64)?,
            inner: optional_bytes_of(self.inner, self.inner_base64)?,
            pod: optional_bytes_of(self.pod, self.pod_base64)?,
        })
    }
}

fn kind_from(kind: &str, runtime: Option<&str>) -> Result<OwnerKind, String> {
    let runtime = || {
        let found = Runtime::ALL
            .into_iter()
            .find(|&one| Some(json::runtime_name(one)) == runtime);
        found.ok_or_else(|| "the runtime of an owner is not known".to_owned())
    };
    Ok(match kind {
        "service-manager" => OwnerKind::ServiceManager,
        "unit" | "user-unit" => OwnerKind::Unit,
        "user-manager" => OwnerKind::UserManager,
        "session" => OwnerKind::Session,
        "app" => OwnerKind::App,
        "container" => OwnerKind::Container(runtime()?),
        "vm" => OwnerKind::VirtualMachine(runtime()?),
        "service" => OwnerKind::OtherService,
        "process" => OwnerKind::Process,
        _ => return Err("the kind of an owner is not known".to_owned()),
    })
}

#[derive(Serialize, Deserialize)]
pub(super) struct ScopeForm {
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
}

impl ScopeForm {
    pub(super) fn of(scope: Scope) -> Self {
        let (scope, uid) = match scope {
            Scope::System => ("system", None),
            Scope::User(uid) => ("user", Some(uid)),
        };
        let scope = scope.to_owned();
        Self { scope, uid }
    }

    pub(super) fn read(self) -> Result<Scope, String> {
        match (self.scope.as_str(), self.uid) {
            ("system", None) => Ok(Scope::System),
            ("user", Some(uid)) => Ok(Scope::User(uid)),
            _ => Err("a scope is neither the system's nor a user's".to_owned()),
        }
    }
}

/// A name as text, and as bytes beside it where it is not UTF-8.
fn text_of(bytes: &Bytes) -> (String, Option<String>) {
    match std::str::from_utf8(bytes.as_slice()) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            String::from_utf8_lossy(bytes.as_slice()).into_owned(),
            Some(base64::engine::general_purpose::STANDARD.encode(bytes.as_slice())),
        ),
    }
}

fn optional_text_of(bytes: Option<&Bytes>) -> (Option<String>, Option<String>) {
    let Some(bytes) = bytes else {
        return (None, None);
    };
    let (text, raw) = text_of(bytes);
    (Some(text), raw)
}

fn bytes_of(text: String, raw: Option<String>) -> Result<Bytes, String> {
    let Some(raw) = raw else {
        return Ok(Bytes(text.into_bytes()));
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(raw);
    bytes
        .map(Bytes)
        .map_err(|_| "a name is not base64".to_owned())
}

fn optional_bytes_of(text: Option<String>, raw: Option<String>) -> Result<Option<Bytes>, String> {
    text.map(|text| bytes_of(text, raw)).transpose()
}
