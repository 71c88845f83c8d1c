package cli

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEachPassing reads the same lines through one buffer as through many.
func TestEachPassing(t *testing.T) {
	var b strings.Builder
	for i := range 60_000 {
		b.WriteString(strconv.Itoa(i) + strings.Repeat("x", i%97) + "\n")
		if i%20_000 == 7 {
			b.WriteString(strings.Repeat("y", maxLine+i) + "\n")
		}
	}
	b.WriteString("the last")
	for _, step := range []int{1 << 30, 4096, 100_001} {
		t.Run(strconv.Itoa(step), func(t *testing.T) {
			collect := func(to *[]string) func(string) error {
				return func(run string) error {
					for run != "" {
						var line string
						line, run = nextLine(run)
						*to = append(*to, strings.Clone(line))
					}
					return nil
				}
			}
			var got, want []string
			if err := eachPassing(&stepReader{text: b.String(), step: step}, collect(&got)); err != nil {
				t.Fatal(err)
			}
			if err := eachRun(&stepReader{text: b.String(), step: step}, collect(&want)); err != nil {
				t.Fatal(err)
			}
			if len(want) != 60_004 || !slices.Equal(got, want) {
				t.Errorf("got %d lines, want the same %d as eachRun gives", len(got), len(want))
			}
		})
	}
}
