//! Which files of a crate name what others define.

use proc_macro2::{TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use syn::{
    visit::{self, Visit},
    Attribute, Expr, Item, ItemMod, ItemUse, Lit, Macro, Meta, UseTree,
};

/// Where files are read.
pub trait Sources {
    /// The text of a file, if there is one.
    fn read(&self, file: &Path) -> Option<String>;
}

/// A path, from the crate's root or a module on.
type Names = Vec<String>;

/// Of each file, those that it names something of, and what.
pub type Arrows = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// A module of a crate.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// What `use` gives names to: absolute paths.
    bound: BTreeMap<String, Names>,
    /// Paths that are handed on only.
    handed_on: BTreeSet<Names>,
    /// All paths, as written.
    named: BTreeSet<Names>,
}

#[derive(Default)]
struct Crate(BTreeMap<Names, Module>);

/// The arrows between the files of the crate that starts with this one.
///
/// # Errors
/// Says which file is missing, or is no Rust.
pub fn arrows(sources: &impl Sources, start: &Path) -> Result<Arrows, String> {
    let mut all = Crate::default();
    let folder = start.parent().map(Path::to_owned).unwrap_or_default();
    all.read(sources, Vec::new(), start, &folder)?;
    Ok(all.arrows())
}

/// Sets of files that reach each other.
pub fn circles(arrows: &Arrows) -> Vec<Vec<PathBuf>> {
    let reach = |from: &PathBuf| {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = ahead.pop() {
            for to in arrows.get(&next).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(to.clone()) {
                    ahead.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&PathBuf, BTreeSet<PathBuf>> =
        arrows.keys().map(|file| (file, reach(file))).collect();
    let circle = |(file, all): (&&PathBuf, &BTreeSet<PathBuf>)| {
        let back = |to: &&PathBuf| reached.get(to).is_some_and(|all| all.contains(*file));
        let mutual: Vec<PathBuf> = all.iter().filter(back).cloned().collect();
        (mutual.len() > 1).then_some(mutual)
    };
    let circles: BTreeSet<_> = reached.iter().filter_map(circle).collect();
    circles.into_iter().collect()
}

impl Crate {
    /// Reads a file and the modules that it declares, which lie in `folder`.
    fn read(
        &mut self,
        sources: &impl Sources,
        at: Names,
        file: &Path,
        folder: &Path,
    ) -> Result<(), String> {
        let text = sources.read(file);
        let text = text.ok_or_else(|| format!("there is no {}", file.display()))?;
        let parsed = syn::parse_file(&text);
        let parsed = parsed.map_err(|error| format!("{}: {error}", file.display()))?;
        self.module(sources, at, file, folder, &parsed.items)
    }

    fn module(
        &mut self,
        sources: &impl Sources,
        at: Names,
        file: &Path,
        folder: &Path,
        items: &[Item],
    ) -> Result<(), String> {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        let mut reader = Reader {
            at: &at,
            module: &mut module,
        };
        for item in items {
            reader.visit_item(item);
        }
        self.0.insert(at.clone(), module);
        for item in items {
            let Item::Mod(inner) = item else { continue };
            if is_test(&inner.attrs) {
                continue;
            }
            let name = inner.ident.to_string();
            let within: Names = at.iter().cloned().chain([name.clone()]).collect();
            match (&inner.content, path_of(&inner.attrs)) {
                (Some((_, items)), _) => {
                    self.module(sources, within, file, &folder.join(&name), items)?;
                }
                // Files of other crates' tests are theirs.
                (None, Some(path)) if path.contains("..") => {}
                (None, Some(path)) => self.read(sources, within, &folder.join(path), folder)?,
                (None, None) => {
                    let beside = folder.join(format!("{name}.rs"));
                    let inside = folder.join(&name);
                    let file = match sources.read(&beside) {
                        Some(_) => beside,
                        None => inside.join("mod.rs"),
                    };
                    self.read(sources, within, &file, &inside)?;
                }
            }
        }
        Ok(())
    }

    /// The module that defines what a path of the crate names; imports on the way are followed.
    fn home(&self, path: &[String], followed: usize) -> Option<&Names> {
        let depth = (0..=path.len())
            .rev()
            .find(|&n| self.0.contains_key(&path[..n]))?;
        let (at, module) = self.0.get_key_value(&path[..depth])?;
        match path.get(depth).and_then(|next| module.bound.get(next)) {
            Some(target) if followed < 8 => {
                let rest = path.iter().skip(depth + 1).cloned();
                let path: Names = target.iter().cloned().chain(rest).collect();
                self.home(&path, followed + 1)
            }
            _ => Some(at),
        }
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (at, module) in &self.0 {
            let from = arrows.entry(module.file.clone()).or_default();
            for path in module.named.difference(&module.handed_on) {
                let Some(path) = self.absolute(at, module, path) else {
                    continue;
                };
                let Some(home) = self.home(&path, 0) else {
                    continue;
                };
                let to = &self.0[home].file;
                // A folder's own file, seen from inside.
                let outer = at.starts_with(home);
                if *to != module.file && !outer {
                    let name = path.last().cloned().unwrap_or_default();
                    from.entry(to.clone()).or_default().insert(name);
                }
            }
        }
        arrows
    }

    /// A path as the crate's root sees it; `None` where it is another crate's, or none.
    fn absolute(&self, at: &Names, module: &Module, path: &Names) -> Option<Names> {
        let [first, rest @ ..] = path.as_slice() else {
            return None;
        };
        let child: Names = at.iter().cloned().chain([first.clone()]).collect();
        let start = match (absolute(at, path), module.bound.get(first)) {
            (Some(path), _) => return Some(path),
            (None, _) if self.0.contains_key(&child) => child,
            (None, Some(bound)) if !rest.is_empty() => bound.clone(),
            _ => return None,
        };
        Some(start.into_iter().chain(rest.iter().cloned()).collect())
    }
}

/// What starts with `crate`, `self` or `super`.
fn absolute(at: &[String], path: &[String]) -> Option<Names> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" => (&at[..0], &path[1..]),
        "self" => (at, &path[1..]),
        "super" => (at.get(..at.len().checked_sub(ups)?)?, &path[ups..]),
        _ => return None,
    };
    Some(base.iter().chain(rest).cloned().collect())
}

/// What a module names.
struct Reader<'a> {
    at: &'a [String],
    module: &'a mut Module,
}

impl Reader<'_> {
    fn tree(&mut self, tree: &UseTree, before: &[String], public: bool) {
        let then = |name: String| -> Names { before.iter().cloned().chain([name]).collect() };
        let (path, name) = match tree {
            UseTree::Path(path) => {
                return self.tree(&path.tree, &then(path.ident.to_string()), public)
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before, public);
                }
                return;
            }
            UseTree::Glob(_) => {
                self.module.named.insert(before.to_vec());
                return;
            }
            UseTree::Name(one) if one.ident == "self" => (before.to_vec(), before.last().cloned()),
            UseTree::Name(one) => (then(one.ident.to_string()), Some(one.ident.to_string())),
            UseTree::Rename(one) if one.ident == "self" => {
                (before.to_vec(), Some(one.rename.to_string()))
            }
            UseTree::Rename(one) => (then(one.ident.to_string()), Some(one.rename.to_string())),
        };
        // `use a::B` of a module's own child is a path without a start.
        let outside = path.first().is_some_and(|first| first.starts_with("zkml"));
        let whole = absolute(self.at, &path)
            .or_else(|| (!outside).then(|| self.at.iter().chain(&path).cloned().collect()));
        if let (Some(whole), Some(name)) = (whole, name) {
            self.module.bound.insert(name, whole);
        }
        if public {
            self.module.handed_on.insert(path.clone());
        }
        self.module.named.insert(path);
    }

    /// Paths in the words of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Names::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(p) if p.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                }
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.tokens(group.stream());
                }
                _ => self.end(&mut path),
            }
            colons = 0;
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Names) {
        let whole = std::mem::take(path);
        if whole.len() > 1 {
            self.module.named.insert(whole);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let public = !matches!(item.vis, syn::Visibility::Inherited);
        self.tree(&item.tree, &[], public);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if names.len() > 1 {
            self.module.named.insert(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, inner: &'ast Macro) {
        self.tokens(inner.tokens.clone());
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let test = |list: &syn::MetaList| list.tokens.to_string().contains("test");
        attribute.path().is_ident("test")
            || matches!(&attribute.meta, Meta::List(list) if list.path.is_ident("cfg") && test(list))
    })
}

/// What `#[path = "…"]` says.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                Expr::Lit(value) => match &value.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
}
