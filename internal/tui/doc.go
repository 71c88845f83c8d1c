// Package tui is the live terminal view, 'mtawatch top'. In come the answers
// of package view, asked for again at an interval, and keys; out goes a
// screen: the open findings, the four signs with what is normal for them and
// their last minutes or days as small graphs, and tables to look into.
//
// Promised: what is not known is shown as unknown, never as 0 or OK, and when
// the answers stop, all that stands there is marked as old. Text from mail
// reaches the terminal clean, and of known width. Colour only repeats what words
// say. A frame sends the terminal what has changed, and nothing when nothing has.
// Everything fits the screen: lines are cut, and what there is no room for is left out in a
// fixed order, down to one line for each sign.
//
// All work beside the screen is a tea.Cmd, which bubbletea runs; the package
// starts no goroutine of its own.
package tui
