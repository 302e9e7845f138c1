//! Whether packages of the system may be installed: the machine is the person's, so they say so first.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal, Write},
};

use anyhow::Context;

/// What the person said, or somebody for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// Nothing was said beforehand, and there is no terminal to ask at.
    NobodyToAsk,
}

/// What decides.
struct Circumstances {
    /// `--yes` was given.
    yes: bool,
    /// The environment variable `CI`, which hosted runners set.
    ci: Option<OsString>,
    /// Somebody sees the question and can type an answer.
    terminal: bool,
}

/// Asks the question, unless it is answered already.
pub(super) fn get(yes: bool, question: &str) -> anyhow::Result<Answer> {
    let circumstances = Circumstances {
        yes,
        ci: env::var_os("CI"),
        // Not stdout: that may go into a shell's `eval`.
        terminal: io::stdin().is_terminal() && io::stderr().is_terminal(),
    };
    decide(&circumstances, || {
        let mut stderr = io::stderr();
        write!(stderr, "setup: {question} [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer)
    })
    .context("cannot ask at the terminal")
}

fn decide(
    circumstances: &Circumstances,
    ask: impl FnOnce() -> io::Result<String>,
) -> io::Result<Answer> {
    if circumstances.yes || circumstances.ci.as_deref().is_some_and(is_set) {
        return Ok(Answer::Yes);
    }
    if !circumstances.terminal {
        return Ok(Answer::NobodyToAsk);
    }
    let agreed = matches!(ask()?.trim().to_lowercase().as_str(), "y" | "yes");
    Ok(if agreed { Answer::Yes } else { Answer::No })
}

/// `CI=` and `CI=false` are how one says that this is no CI.
fn is_set(ci: &OsStr) -> bool {
    !ci.is_empty() && ci != "false"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(yes: bool, ci: Option<&str>, typed: Option<&str>) -> io::Result<Answer> {
        let circumstances = Circumstances {
            yes,
            ci: ci.map(OsString::from),
            terminal: typed.is_some(),
        };
        decide(&circumstances, || {
            typed
                .map(str::to_owned)
                .ok_or_else(|| io::Error::other("asked where nobody is"))
        })
    }

    #[test]
    fn the_flag_and_ci_agree_without_a_question() -> io::Result<()> {
        assert_eq!(answer(true, None, None)?, Answer::Yes);
        assert_eq!(answer(true, None, Some("n\n"))?, Answer::Yes);
        assert_eq!(answer(false, Some("true"), Some("n\n"))?, Answer::Yes);
        assert_eq!(answer(false, Some("1"), None)?, Answer::Yes);
        Ok(())
    }

    #[test]
    fn a_ci_variable_that_says_no_is_none() -> io::Result<()> {
        for ci in ["", "false"] {
            assert_eq!(answer(false, Some(ci), None)?, Answer::NobodyToAsk);
        }
        Ok(())
    }

    #[test]
    fn only_a_typed_yes_is_one() -> io::Result<()> {
        for typed in ["y\n", "Y\n", " yes \n", "y"] {
            assert_eq!(answer(false, None, Some(typed))?, Answer::Yes, "{typed:?}");
        }
        // The empty one is the end of the input, or just Enter.
        for typed in ["", "\n", "n\n", "yellow\n", "why\n"] {
            assert_eq!(answer(false, None, Some(typed))?, Answer::No, "{typed:?}");
        }
        Ok(())
    }

    #[test]
    fn without_a_terminal_nobody_is_asked() -> io::Result<()> {
        assert_eq!(answer(false, None, None)?, Answer::NobodyToAsk);
        Ok(())
    }
}
