// Package history makes the past that a practice MTA has not had: two weeks of
// its ordinary mail, learned by the belt's own engine at its true interval. In
// goes what the lab's mail is; out comes a store of state in which that is
// normal, and which says that it was made for practice.
package history
