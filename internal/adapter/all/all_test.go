package all

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The list and the folders beside it must name the same mail servers.
func TestListMatchesFolders(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "all" && e.Name() != "adaptertest" && e.Name() != "testdata" {
			want = append(want, e.Name())
		}
	}
	var got []string
	for _, a := range Adapters() {
		got = append(got, a.Name)
		if a.Detect == nil || a.Parser == nil {
			t.Errorf("%s: no Detect or no Parser", a.Name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("adapters (-listed +folders):\n%s", diff)
	}
}

func TestByName(t *testing.T) {
	if a, ok := ByName("postfix"); !ok || a.Name != "postfix" {
		t.Errorf("ByName(postfix) = %q, %v", a.Name, ok)
	}
	if _, ok := ByName("Postfix "); ok {
		t.Error("a name that is not listed was found")
	}
}
