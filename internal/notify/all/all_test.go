package all_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/notify/all"
)

// TestFolders compares the list with the folders beside it.
func TestFolders(t *testing.T) {
	list, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, d := range list {
		if d.IsDir() && d.Name() != "all" && d.Name() != "testdata" {
			folders = append(folders, d.Name())
		}
	}
	if types := slices.Sorted(slices.Values(all.Types())); !slices.Equal(types, folders) {
		t.Errorf("types %q, folders %q", types, folders)
	}
}

func TestChannels(t *testing.T) {
	delay := 5 * time.Second
	list, err := all.Channels([]notify.Settings{
		{Type: "webhook", URL: "https://hooks.example.org/hidden"},
		{Type: "webhook", URL: "https://hooks.example.org/other", MinSeverity: "critical", Delay: &delay, Repeat: time.Hour, Timeout: 3 * time.Second},
		{Type: "alertmanager", Name: "am", URLs: []string{"http://192.0.2.1:9093", "http://192.0.2.2:9093"}},
		{Type: "alertmanager", Name: "single", URL: "http://192.0.2.1:9093"},
		{Type: "exec", Command: []string{"/usr/local/bin/page"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	usual := notify.Terms{Min: mta.SeverityWarning, Delay: time.Minute, Timeout: 10 * time.Second}
	fresh := usual
	fresh.Refresh = time.Minute
	want := []notify.Channel{
		{Name: "webhook:hooks.example.org", Terms: usual},
		{Name: "webhook:hooks.example.org-2", Terms: notify.Terms{Min: mta.SeverityCritical, Delay: delay, Timeout: 3 * time.Second, Repeat: time.Hour}},
		{Name: "am:192.0.2.1:9093", Terms: fresh}, {Name: "am:192.0.2.2:9093", Terms: fresh}, {Name: "single", Terms: fresh},
		{Name: "exec:page", Terms: usual},
	}
	for i := range list {
		if list[i].Send == nil {
			t.Errorf("%s cannot send", list[i].Name)
		}
		list[i].Send = nil
	}
	if d := cmp.Diff(want, list); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    notify.Settings
		want []string
	}{
		{"mail", notify.Settings{Type: "sendmail"}, []string{"type: mail is not offered"}},
		{"another", notify.Settings{Type: "pigeon"}, []string{`type: must be one of webhook, alertmanager, exec, not "pigeon"`}},
		{"nothing", notify.Settings{}, []string{"type: is missing"}},
		{"webhook without", notify.Settings{Type: "webhook"}, []string{": url is missing"}},
		{"alertmanager without", notify.Settings{Type: "alertmanager", Repeat: time.Hour}, []string{": url is missing", "repeat: Alertmanager repeats"}},
		{"common", notify.Settings{Type: "exec", Command: []string{"/x"}, MinSeverity: "fatal", Repeat: time.Second, Timeout: time.Hour, Name: "a/b", URL: "x", SecretFile: "y"},
			[]string{"min_severity: must be info", "name: must be one line", "repeat: must be from", "secret_file: a channel of type exec has no such", "timeout: must be from", "url: a channel of type exec"}},
		{"relative secret", notify.Settings{Type: "webhook", URL: "https://x.example", SecretFile: "s"}, []string{"secret_file: must be an absolute"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, wrong := all.New(tt.s)
			if list != nil || len(wrong) != len(tt.want) {
				t.Fatalf("got %d channels and %+v", len(list), wrong)
			}
			for i, p := range wrong {
				if got := p.Key + ": " + p.Text; !strings.HasPrefix(got, tt.want[i]) {
					t.Errorf("got %q, want %q", got, tt.want[i])
				}
			}
		})
	}
}
