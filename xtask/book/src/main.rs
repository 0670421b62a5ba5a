//! `cargo xtask book`: makes a book of the lessons, the races and the documents.
//!
//! ```text
//! texts + sources of the clone -> Chapter (markdown for mdBook) -> mdBook -> pages -> check of links
//! ```
//!
//! Nothing is written twice: each page comes from a text or a source of the clone. A program of its
//! own, so that a first `cargo xtask test` does not wait for mdBook's compilation.

mod api;
mod chapters;
mod clone;
mod code_page;
mod exercises;
mod links;
mod pages;
mod ran_on;
mod render;
mod tabs;
mod timelines;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use xtask::commands::book::BookOptions;
use xtask::workspace::Workspace;
use xtask::{failure, process};

use chapters::{BookContents, RunFacts};
use clone::CloneFiles;
use ran_on::RanOn;
use timelines::TimelinePages;

/// Make a book of the lessons, the races and the documents
#[derive(Debug, clap::Parser)]
#[command(
    name = "cargo xtask book",
    bin_name = "cargo xtask book",
    version,
    max_term_width = 100
)]
struct Arguments {
    #[command(flatten)]
    options: BookOptions,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    run(&options).unwrap_or_else(|error| {
        process::park_if_interrupted();
        xtask::errln!("error: {error:#}");
        failure::exit_code(&error)
    })
}

/// Makes the book and prints the path of its first page.
fn run(options: &BookOptions) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let files = CloneFiles::read(&workspace)?;
    let facts = RunFacts {
        ran_on: RanOn::read(&options.ran)?,
        timelines: TimelinePages::of(options.timelines.as_deref())?,
    };
    let repository = options.repository.as_deref();
    let contents = BookContents {
        repository,
        solutions: !options.no_solutions,
    };
    let chapters = chapters::of(&files, &facts, contents)?;
    let out = match &options.out {
        Some(out) => std::path::absolute(out)?,
        None => workspace.root().join("target/book"),
    };
    render::render(&chapters, &out, repository)?;
    let pages = pages::check(&out)?;
    let first = out.join("index.html");
    writeln!(std::io::stderr(), "{pages} pages, all links lead somewhere").ok();
    xtask::outln!("{}", first.display())?;
    if options.open {
        process::open_in_browser(&first)?;
    }
    Ok(ExitCode::SUCCESS)
}
