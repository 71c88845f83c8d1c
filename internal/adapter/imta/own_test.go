package imta

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestParseProcesses(t *testing.T) {
	tests := []struct {
		name, text string
		want       []mta.OwnProcess
		err        string
	}{
		{"no heading", "mailsrv 15334 S 21368 9048 17:32:46 0:01 /opt/x/lib/dispatcher\n", []mta.OwnProcess{{PID: 15334, Name: "dispatcher", Role: mta.RoleDispatcher}}, ""},
		{"start of two words", "inetuser 7 S 21368 9048 Nov 17 0:01 /opt/x/lib/job_controller", []mta.OwnProcess{{PID: 7, Name: "job_controller", Role: mta.RoleJobController}}, ""},
		{"names in angles", "  root 2481 1 0 10:28 ? 0:02 <DISPATCHER>\n  root 2490 2481 0 10:28 ? 0:02 <SMTP>\n",
			[]mta.OwnProcess{{PID: 2481, Name: "dispatcher", Role: mta.RoleDispatcher}, {PID: 2490, Name: "smtp", Role: mta.RoleSMTPServer}}, ""},
		{"all columns", "UID   PID  PPID  C    STIME TTY      TIME CMD\ninetmail  401  1  0   Nov 17 ?        0:02 /opt/SUNWmail/imta/lib/tcp_smtp_server\n",
			[]mta.OwnProcess{{PID: 401, Name: "tcp_smtp_server", Role: mta.RoleSMTPServer}}, ""},
		{"a user without a name", "USER PID S COMMAND\n1002 77 S /opt/x/lib/ims_master\n", []mta.OwnProcess{{PID: 77, Name: "ims_master", Role: mta.RoleDelivery}}, ""},
		{"arguments", "mailsrv 8 S 0:01 /opt/x/lib/job_controller -debug 5\n", []mta.OwnProcess{{PID: 8, Name: "job_controller", Role: mta.RoleJobController}}, ""},
		{"none runs", "USER PID S COMMAND\n", nil, ""},
		{"nothing", "\n", nil, "nothing was printed"},
		{"refused", "%IMTA-E-NOPRIV, you must be root\n", nil, "must be root"},
		{"another text", "usage: imsimta COMMAND\n", nil, "no process id"},
		{"no command", "mailsrv 8\n", nil, "no process id"},
		{"no process has this id", "mailsrv 0 /opt/x/lib/dispatcher\n", nil, "no process id"},
		{"too large an id", "mailsrv 99999999999999999999 /opt/x/lib/dispatcher\n", nil, "no process id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseProcesses(tt.text)
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestParseCounters(t *testing.T) {
	const head = "Channel Messages Recipients Blocks\n"
	for text, want := range map[string]string{
		"":                           "no channel counters",
		head:                         "no channel counters",
		"l\n  Stored 1 1 1\n":        "no heading",
		head + "  Stored 1 1 1\n":    "no channel before",
		head + "l\n  Stored 1 1\n":   "2 figures, not 3",
		head + "l\n  Stored 1 x 1\n": `"x" is no number`,
		head + "l\n  Stored 1 99999999999999999999 1\n": "is no number",
		"%QM-E-NOCNT, gone\n":                           "gone",
	} {
		if list, err := parseCounters(text); list != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want the error %q", text, list, err, want)
		}
	}
}

// What is no name of a channel never comes to a command.
func TestChannelNames(t *testing.T) {
	for name, want := range map[string]bool{"tcp_local": true, "ims-ms": true, "": false, "-delete": false, "a b": false, "a;b": false, "é": false, "*": false} {
		if got := isChannelName(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

// FuzzOwn: a text that is none of the outputs gives an error and no value.
func FuzzOwn(f *testing.F) {
	f.Add("USER PID S COMMAND\nmailsrv 8 S /opt/x/lib/dispatcher\n")
	f.Add("root 2481 1 0 10:28 ? 0:02 <DISPATCHER>\n")
	f.Add("Channel Messages Recipients Blocks\nl\n Delivered 1 1 1 (1 first time)\n")
	f.Add("host active messages delayed messages\nexample.com 1 2\n5 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		procs, err := parseProcesses(text)
		if err != nil && procs != nil {
			t.Error("processes with an error")
		}
		for _, p := range procs {
			if p.PID <= 0 || p.Name == "" || p.Role == mta.RoleNone || strings.Contains(p.Name, "/") {
				t.Errorf("%+v", p)
			}
		}
		channels, err := parseCounters(text)
		if (err == nil) != (len(channels) > 0) {
			t.Errorf("%d channels with %v", len(channels), err)
		}
		waiting, err := parseWaiting("l", text)
		if err != nil && waiting != nil {
			t.Error("waiting mail with an error")
		}
		for _, w := range waiting {
			if w.Active < 0 || w.Delayed < 0 || w.Active+w.Delayed == 0 {
				t.Errorf("%+v", w)
			}
		}
	})
}
