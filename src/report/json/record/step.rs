//! Steps in records.

use serde::{Deserialize, Serialize};

use super::BecauseForm;
use super::owner::{OwnerForm, ScopeForm};
use crate::model::{Class, Deed, Stage, Step};

#[derive(Serialize, Deserialize)]
pub(super) struct StepForm {
    number: u32,
    deed: DeedForm,
    class: String,
    stage: StageForm,
    owners: Vec<OwnerForm>,
    pulled: Vec<String>,
    because: Vec<BecauseForm>,
    invocation: String,
    wait_us: u64,
    settle_us: u64,
    limit_us: u64,
}

impl StepForm {
    pub(super) fn of(step: &Step) -> Self {
        Self {
            number: step.number,
            deed: DeedForm::of(&step.deed),
            class: step.class.word().to_owned(),
            stage: StageForm::of(step.stage),
            owners: step.owners.iter().map(OwnerForm::of).collect(),
            pulled: step.pulled.clone(),
            because: step.because.iter().map(BecauseForm::of).collect(),
            invocation: step.invocation.clone(),
            wait_us: step.wait_us,
            settle_us: step.settle_us,
            limit_us: step.limit_us,
        }
    }

    pub(super) fn read(self) -> Result<Step, String> {
        let owners = self.owners.into_iter().map(OwnerForm::read);
        Ok(Step {
            number: self.number,
            deed: self.deed.read()?,
            class: Class::of_word(&self.class).ok_or("the class of a step is not known")?,
            stage: self.stage.read(),
            owners: owners.collect::<Result<_, _>>()?,
            pulled: self.pulled,
            because: self.because.into_iter().map(BecauseForm::read).collect(),
            invocation: self.invocation,
            wait_us: self.wait_us,
            settle_us: self.settle_us,
            limit_us: self.limit_us,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum DeedForm {
    Reload {
        #[serde(flatten)]
        scope: ScopeForm,
    },
    Reexec {
        #[serde(flatten)]
        scope: ScopeForm,
    },
    TryRestart {
        #[serde(flatten)]
        scope: ScopeForm,
        unit: String,
    },
    RestartService {
        name: String,
    },
    Override {
        name: String,
    },
    Command {
        argv: Vec<String>,
    },
}

impl DeedForm {
    fn of(deed: &Deed) -> Self {
        match deed {
            Deed::Reload(scope) => Self::Reload {
                scope: ScopeForm::of(*scope),
            },
            Deed::Reexec(scope) => Self::Reexec {
                scope: ScopeForm::of(*scope),
            },
            Deed::TryRestart { scope, unit } => Self::TryRestart {
                scope: ScopeForm::of(*scope),
                unit: unit.clone(),
            },
            Deed::RestartService { name } => Self::RestartService { name: name.clone() },
            Deed::Override { name } => Self::Override { name: name.clone() },
            Deed::Command { argv } => Self::Command { argv: argv.clone() },
        }
    }

    fn read(self) -> Result<Deed, String> {
        Ok(match self {
            Self::Reload { scope } => Deed::Reload(scope.read()?),
            Self::Reexec { scope } => Deed::Reexec(scope.read()?),
            Self::TryRestart { scope, unit } => Deed::TryRestart {
                scope: scope.read()?,
                unit,
            },
            Self::RestartService { name } => Deed::RestartService { name },
            Self::Override { name } => Deed::Override { name },
            Self::Command { argv } => Deed::Command { argv },
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StageForm {
    Manager,
    Services,
    Access,
    Network,
    Guests,
}

impl StageForm {
    fn of(stage: Stage) -> Self {
        match stage {
            Stage::Manager => Self::Manager,
            Stage::Services => Self::Services,
            Stage::Access => Self::Access,
            Stage::Network => Self::Network,
            Stage::Guests => Self::Guests,
        }
    }

    fn read(self) -> Stage {
        match self {
            Self::Manager => Stage::Manager,
            Self::Services => Stage::Services,
            Self::Access => Stage::Access,
            Self::Network => Stage::Network,
            Self::Guests => Stage::Guests,
        }
    }
}
