// Package cli is the command line of mtawatch. In come arguments; out go
// answers as aligned text for people or, with --json, as the JSON of package
// view for programs; errors go to standard error with what to do about them.
//
// Promised: the exit status is 0 when the answer is whole, 2 when the command
// was used wrongly or could not do its work, 3 when something that was asked
// for is unknown (1 is kept for warnings of status, as in Nagios). Text that
// comes from mail never reaches a terminal with control characters in it.
// Output that is not a terminal has no colour, is not cut to a width and has
// no progress bar.
package cli
