//! How a command ends, for scripts.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use samara_core::entry::EntryError;
use samara_core::link::LinkError;
use samara_node::{
    DestinationError, IdentityError, IngestError, LedgerError, SaveError, StartError, StatusError,
    StreamError, TransferError, TransferFailure,
};
use samara_relay::RunError;
use samara_store::{FlushError, OpenError, PutError};

/// For `--help`; the test below keeps it true.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed for another reason than those below
  2    the arguments are wrong
  3    the link or entry is wrong, damaged or forged
  4    nobody who has the file could be reached
  5    the store or a disk is full
  6    another process has the store open
  130  stopped by the user";

/// Why a command failed, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// For another reason than those below.
    Other,
    /// The arguments are wrong.
    Usage,
    /// The link or entry is wrong.
    Entry,
    /// Nobody who has the file could be reached.
    Unreachable,
    /// The store or a disk is full.
    Full,
    /// Another process has the store open.
    InUse,
    /// Stopped by the user.
    Stopped,
}

impl Code {
    /// What a file that cannot be written means.
    pub fn of_write(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Other,
        }
    }

    /// The number itself.
    pub const fn number(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Entry => 3,
            Self::Unreachable => 4,
            Self::Full => 5,
            Self::InUse => 6,
            Self::Stopped => 130,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        code.number().into()
    }
}

/// A command failed: a number for scripts, a sentence for people.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with a sentence of the command's own.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// A failure whose sentence is the error's, with what led to it.
    pub fn of(code: Code, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self { code, message }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::of(Code::Entry, &error)
    }
}

impl From<EntryError> for Failure {
    fn from(error: EntryError) -> Self {
        Self::of(Code::Entry, &error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::InUse { .. } => Code::InUse,
            OpenError::DiskFull { .. } => Code::Full,
            _ => Code::Other,
        };
        Self::of(code, &error)
    }
}

impl From<FlushError> for Failure {
    fn from(error: FlushError) -> Self {
        Self::of(code_of_flush(&error), &error)
    }
}

fn code_of_flush(error: &FlushError) -> Code {
    match error {
        FlushError::Sync { source, .. } | FlushError::Lost { source, .. } => Code::of_write(source),
        _ => Code::Other,
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        Self::of(Code::Other, &error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::of(Code::Other, &error)
    }
}

impl From<StatusError> for Failure {
    fn from(error: StatusError) -> Self {
        Self::of(Code::Other, &error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::of(Code::Other, &error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Start(samara_relay::StartError::Store(error)) => error.into(),
            error => Self::of(Code::Other, &error),
        }
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        Self::of(Code::Other, &error)
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        let code = match &error {
            IngestError::Put(PutError::Full { .. } | PutError::DiskFull { .. }) => Code::Full,
            IngestError::Flush(error) => code_of_flush(error),
            IngestError::Stopped => Code::Stopped,
            _ => Code::Other,
        };
        Self::of(code, &error)
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        let code = match &error {
            TransferError::Failed(TransferFailure::Entry(_))
            | TransferError::Save(SaveError::Forged { .. }) => Code::Entry,
            TransferError::Failed(TransferFailure::Store(_))
            | TransferError::Save(SaveError::DiskFull { .. }) => Code::Full,
            _ => Code::Other,
        };
        Self::of(code, &error)
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        let code = match &error {
            StreamError::Forged { .. } => Code::Entry,
            StreamError::Write(error) => Code::of_write(error),
            _ => Code::Other,
        };
        Self::of(code, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_exit_code() {
        for code in [
            Code::Other,
            Code::Usage,
            Code::Entry,
            Code::Unreachable,
            Code::Full,
            Code::InUse,
            Code::Stopped,
        ] {
            let number = format!("\n  {} ", code.number());
            assert!(EXIT_CODES.contains(&number), "{code:?}");
        }
    }

    #[test]
    fn a_stream_to_a_full_disk_says_so_by_number() {
        for (kind, code) in [
            (io::ErrorKind::StorageFull, Code::Full),
            (io::ErrorKind::QuotaExceeded, Code::Full),
            (io::ErrorKind::BrokenPipe, Code::Other),
        ] {
            let failure = Failure::from(StreamError::Write(kind.into()));
            assert_eq!(failure.code, code, "{kind}");
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("the outer thing: {0}")]
        struct Outer(#[source] std::fmt::Error);
        let cause = std::fmt::Error;
        let failure = Failure::of(Code::Other, &Outer(cause));
        assert_eq!(failure.message, format!("the outer thing: {cause}"));
    }
}
