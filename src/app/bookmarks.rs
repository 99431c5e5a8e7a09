//! Bookmarks: the steps that the user has marked, perhaps with names.

use crate::step::Address;

/// A marked place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// The address. It has its iteration if there are several iterations.
    pub address: Address,
    /// The name that the user gave it.
    pub name: Option<String>,
}

/// The bookmarks of a scenario, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmarks(Vec<Bookmark>);

impl Bookmarks {
    /// Returns whether an address is marked.
    #[must_use]
    pub fn contains(&self, address: &Address) -> bool {
        self.0.iter().any(|bookmark| bookmark.address == *address)
    }

    /// Adds a bookmark. It replaces an earlier one with the same address or the same name.
    pub fn add(&mut self, address: Address, name: Option<String>) {
        self.0.retain(|bookmark| bookmark.address != address && (name.is_none() || bookmark.name != name));
        self.0.push(Bookmark { address, name });
    }

    /// Removes the bookmark of an address. Returns whether there was one.
    pub fn remove(&mut self, address: &Address) -> bool {
        let before = self.0.len();
        self.0.retain(|bookmark| bookmark.address != *address);
        self.0.len() < before
    }

    /// Iterates over the bookmarks, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bookmark> {
        self.0.iter()
    }
}
