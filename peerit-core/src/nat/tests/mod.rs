//! Two traversals on a network of the mind.
