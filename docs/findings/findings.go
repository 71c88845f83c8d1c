// Package findings holds the pages about the findings, one for each code,
// within the binary. A code goes in, its page as Markdown comes out; each
// code of the vocabulary has one.
package findings

import "embed"

// pages are written once, when the program is built.
//
//go:embed *.md
var pages embed.FS

// index is the list of the pages, which is about no finding.
const index = "README"

// Page gives the page of a finding code as Markdown; its first line is the
// code as a heading. ok is false when there is no such code.
func Page(code string) (page string, ok bool) {
	if code == index {
		return "", false
	}
	b, err := pages.ReadFile(code + ".md")
	return string(b), err == nil
}
