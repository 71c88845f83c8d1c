// Package site is a practice MTA on disk: its directories and its configuration files,
// which processes are its own, and the frame of its programs.
// A base directory comes in; paths and settings come out. Every error of a
// file names it and the line.
package site
