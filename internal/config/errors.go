package config

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in the file.
type Error struct {
	File string
	Line int    // from 1; 0 for the file as a whole
	Key  string // "instances[0].mta"; "" for the file as a whole
	Text string
}

// Error gives "FILE:LINE: KEY: TEXT".
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Text)
	return b.String()
}

// Errors is everything that is wrong in the file, by line.
type Errors []Error

// Error gives one line for each error.
func (list Errors) Error() string {
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

func (list Errors) sort() {
	slices.SortStableFunc(list, func(a, b Error) int { return a.Line - b.Line })
}

// nearest gives the known key that a misspelt one most likely meant, or "".
func nearest(key string, known []string) string {
	best, least := "", max(2, len(key)/3)+1
	for _, k := range known {
		if d := distance(strings.ReplaceAll(strings.ToLower(key), "-", "_"), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions and changes of single bytes that
// make b of a (Levenshtein).
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
