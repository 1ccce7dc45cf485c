//! Reports and their twins.

use peerit_proto::nat::v1 as twin;

use super::super::{Fault, Mapping, Method, Obstacle, Outcome, Report, Trial};
use super::{TwinError, address, encode_address};

/// An enumeration whose values have the same names in the schema, where 0 means that nothing was said.
macro_rules! same_names {
    ($name:ident, $field:literal, $($value:ident),*) => {
        impl From<$name> for twin::$name {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$value => Self::$value,)*
                }
            }
        }

        impl TryFrom<twin::$name> for $name {
            type Error = TwinError;

            fn try_from(value: twin::$name) -> Result<Self, TwinError> {
                match value {
                    twin::$name::Unspecified => Err(TwinError::OutOfRange($field)),
                    $(twin::$name::$value => Ok(Self::$value),)*
                }
            }
        }
    };
}

same_names!(Fault, "fault", Refused, Unreachable, TimedOut, WrongPeer, RelayRefused, Other);
same_names!(Method, "method", Dial, Signal, ReversedDial, Punch, Quic, Relay, Birthday);
same_names!(Obstacle, "obstacle", NotJoined, Busy, NoCandidates, NoRelay, NoAnswer, Unwanted);

impl From<&Report> for twin::Report {
    fn from(report: &Report) -> Self {
        let trials = report.trials.iter().map(twin::Trial::from).collect();
        let mapping = twin::Mapping::from(report.mapping).into();
        let remote_mapping = twin::Mapping::from(report.remote_mapping).into();
        Self { trials, mapping, remote_mapping }
    }
}

impl From<Mapping> for twin::Mapping {
    fn from(mapping: Mapping) -> Self {
        match mapping {
            Mapping::Unknown => Self::Unspecified,
            Mapping::EndpointIndependent => Self::EndpointIndependent,
            Mapping::EndpointDependent => Self::EndpointDependent,
        }
    }
}

impl From<twin::Mapping> for Mapping {
    fn from(mapping: twin::Mapping) -> Self {
        match mapping {
            twin::Mapping::Unspecified => Self::Unknown,
            twin::Mapping::EndpointIndependent => Self::EndpointIndependent,
            twin::Mapping::EndpointDependent => Self::EndpointDependent,
        }
    }
}

impl TryFrom<twin::Report> for Report {
    type Error = TwinError;

    fn try_from(report: twin::Report) -> Result<Self, TwinError> {
        let (mapping, remote_mapping) = (report.mapping().into(), report.remote_mapping().into());
        let trials = report.trials.into_iter().map(Trial::try_from).collect::<Result<_, _>>()?;
        Ok(Self { trials, mapping, remote_mapping })
    }
}

impl From<&Trial> for twin::Trial {
    fn from(trial: &Trial) -> Self {
        let (mut fault, mut obstacle) = (twin::Fault::Unspecified, twin::Obstacle::Unspecified);
        let outcome = match trial.outcome {
            Outcome::Pending => twin::Outcome::Pending,
            Outcome::Worked => twin::Outcome::Worked,
            Outcome::Overtaken => twin::Outcome::Overtaken,
            Outcome::Failed(why) => {
                fault = why.into();
                twin::Outcome::Failed
            }
            Outcome::NotTried(why) => {
                obstacle = why.into();
                twin::Outcome::NotTried
            }
        };
        Self {
            method: twin::Method::from(trial.method).into(),
            target: trial.target.map(encode_address),
            outcome: outcome.into(),
            fault: fault.into(),
            obstacle: obstacle.into(),
        }
    }
}

impl TryFrom<twin::Trial> for Trial {
    type Error = TwinError;

    fn try_from(trial: twin::Trial) -> Result<Self, TwinError> {
        let outcome = match trial.outcome() {
            twin::Outcome::Unspecified => return Err(TwinError::OutOfRange("outcome")),
            twin::Outcome::Pending => Outcome::Pending,
            twin::Outcome::Worked => Outcome::Worked,
            twin::Outcome::Overtaken => Outcome::Overtaken,
            twin::Outcome::Failed => Outcome::Failed(trial.fault().try_into()?),
            twin::Outcome::NotTried => Outcome::NotTried(trial.obstacle().try_into()?),
        };
        let method = trial.method().try_into()?;
        let target = trial.target.map(|target| address(Some(target))).transpose()?;
        Ok(Self { method, target, outcome })
    }
}
