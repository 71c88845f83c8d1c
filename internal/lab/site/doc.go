// Package site is a practice MTA on disk: its directories and its configuration files,
// and which processes are its own.
// A base directory comes in; paths and settings come out. Every error of a
// file names it and the line.
package site
