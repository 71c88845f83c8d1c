// Package say puts what package view answers into words for people: figures,
// times, ranges, the four signs and findings, as one line of text or a few.
//
// Text from mail, logs and other machines goes in hostile and comes out
// clean: printable, of one line, without anything that moves a cursor or
// reorders a line. What is not known is said to be unknown, or left out; it
// never reads as 0. The package knows no terminal: colour and wrapping are the
// caller's.
package say
