//! Packages of the system: what is missing is named, asked for, installed, and looked for again.
//!
//! Only apt is called, since it is what CI and most containers have. Elsewhere the error names the packages.

mod apt;

use anyhow::{Context, bail, ensure};

use crate::workspace::shown;

use self::apt::Apt;
use super::{
    consent::{self, Answer},
    say,
};

/// Something that a package of the system gives.
pub(super) struct Need {
    pub(super) name: &'static str,
    /// What needs it.
    pub(super) reason: &'static str,
    /// Says what this machine has of it; nothing where it is missing.
    pub(super) find: fn() -> anyhow::Result<Option<String>>,
    pub(super) debian: &'static [&'static str],
    pub(super) fedora: &'static [&'static str],
    pub(super) arch: &'static [&'static str],
}

/// Says what is there, and installs what is not.
pub(super) fn provide(needs: &[&Need], yes: bool) -> anyhow::Result<()> {
    let missing = report(needs)?;
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say(&format!("{} is missing; {}", need.name, need.reason));
    }
    if cfg!(target_os = "macos") {
        bail!("install Apple's command line tools, then try again: xcode-select --install");
    }
    let Some(apt) = Apt::find() else {
        bail!("{}", elsewhere(&missing));
    };
    install(&apt, &missing, yes)?;
    // A program of that name earlier in PATH, for one, is nothing a package can mend.
    let still = report(&missing)?;
    ensure!(
        still.is_empty(),
        "{} still missing though the packages are installed ({})",
        listed(still.iter().map(|need| need.name)),
        packages(&still, |need| need.debian)
    );
    Ok(())
}

/// Says whether something is there that one can do without, having installed it where that needs no question: by apt, if
/// `yes` was said.
pub(super) fn provide_if_possible(need: &Need, yes: bool) -> anyhow::Result<bool> {
    if report(&[need])?.is_empty() {
        return Ok(true);
    }
    let Some(apt) = Apt::find().filter(|_| yes) else {
        say(&format!(
            "{} is missing; {}: Debian has it as {}",
            need.name,
            need.reason,
            need.debian.join(" ")
        ));
        return Ok(false);
    };
    if let Err(error) = install(&apt, &[need], yes) {
        say(&format!("{} cannot be installed: {error:#}", need.name));
        return Ok(false);
    }
    Ok(report(&[need])?.is_empty())
}

/// Says what is there, and returns what is not.
fn report<'a>(needs: &[&'a Need]) -> anyhow::Result<Vec<&'a Need>> {
    let mut missing = Vec::new();
    for need in needs {
        match (need.find)().with_context(|| format!("cannot look for {}", need.name))? {
            Some(found) => say(&format!("{}: {found}", need.name)),
            None => missing.push(*need),
        }
    }
    Ok(missing)
}

fn install(apt: &Apt, missing: &[&Need], yes: bool) -> anyhow::Result<()> {
    let names: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.debian)
        .copied()
        .collect();
    let by_hand = shown(&apt.install(&names));
    let question = format!("install {} by `{by_hand}`?", names.join(" "));
    match consent::get(yes, &question)? {
        Answer::Yes => {}
        Answer::No => bail!("nothing was installed; by hand: {by_hand}"),
        Answer::NobodyToAsk => bail!(
            "nothing was installed, since there is no terminal to ask at: say --yes, or run `{by_hand}` by hand"
        ),
    }
    say(&format!("installing: {by_hand}"));
    apt.run(&names)
        .with_context(|| format!("cannot install the packages; by hand: {by_hand}"))
}

/// What to do where there is no apt.
fn elsewhere(missing: &[&Need]) -> String {
    format!(
        "{} missing, and there is no apt-get here to install from. Install by hand, then try again. \
         Fedora: dnf install {}. Arch: pacman -S {}. Debian: apt-get install {}",
        listed(missing.iter().map(|need| need.name)),
        packages(missing, |need| need.fedora),
        packages(missing, |need| need.arch),
        packages(missing, |need| need.debian),
    )
}

fn packages(needs: &[&Need], of: fn(&Need) -> &'static [&'static str]) -> String {
    let names: Vec<&str> = needs.iter().flat_map(|need| of(need)).copied().collect();
    names.join(" ")
}

/// `a is`, or `a and b are`.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: Need = Need {
        name: "Rust",
        reason: "everything is written in it",
        find: || Ok(Some("here".into())),
        debian: &["rustc"],
        fedora: &["rust"],
        arch: &["rust"],
    };
    const MISSING: Need = Need {
        name: "Vulkan",
        reason: "the tests draw on it",
        find: || Ok(None),
        debian: &["mesa", "loader"],
        fedora: &["fedora-mesa"],
        arch: &["arch-mesa"],
    };
    const BROKEN: Need = Need {
        find: || bail!("the disk is gone"),
        ..THERE
    };

    #[test]
    fn only_what_is_missing_is_to_be_installed() -> anyhow::Result<()> {
        let missing = report(&[&THERE, &MISSING])?;
        assert_eq!(packages(&missing, |need| need.debian), "mesa loader");
        assert!(report(&[&THERE])?.is_empty());
        provide(&[&THERE], false)
    }

    #[test]
    fn an_error_while_looking_names_what_was_looked_for() {
        let error = report(&[&BROKEN]).err().map(|error| format!("{error:#}"));
        assert_eq!(
            error.as_deref(),
            Some("cannot look for Rust: the disk is gone")
        );
    }

    #[test]
    fn each_system_hears_its_own_names() {
        let text = elsewhere(&[&MISSING, &THERE]);
        assert!(text.starts_with("Vulkan and Rust are missing"), "{text}");
        for command in [
            "dnf install fedora-mesa rust.",
            "pacman -S arch-mesa rust.",
            "apt-get install mesa loader rustc",
        ] {
            assert!(text.contains(command), "{text}");
        }
        assert!(elsewhere(&[&MISSING]).starts_with("Vulkan is missing"));
    }
}
