package postfix

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	tests := []struct {
		name, text, setting, want string
	}{
		{"default", "", "queue_directory", "/var/spool/postfix"},
		{"plain", "queue_directory = /q", "queue_directory", "/q"},
		{"no spaces", "a=b=c", "a", "b=c"},
		{"last counts", "a = 1\na = 2\n", "a", "2"},
		{"carriage return", "a = 1\r\nb = 2\r\n", "a", "1"},
		{"continued", "a = 1\n 2\n\t3\n", "a", "1 2\t3"},
		{"continued over a comment", "a = 1\n# c\n   # d\n\n 2\n", "a", "1 2"},
		{"no comment within", "a = 1 # 2", "a", "1 # 2"},
		{"empty", "a =", "a", ""},
		{"name", "a = $b/x\nb = y", "a", "y/x"},
		{"braces", "a = ${b}x${ b }$(b)\nb = y", "a", "yxyy"},
		{"default of another", "a = $queue_directory/x", "a", "/var/spool/postfix/x"},
		{"undefined", "a = x${b}y", "a", "xy"},
		{"dollar", "a = $$b$", "a", "$b$"},
		{"if set", "a = ${b?text $b}\nb = 1", "a", "text 1"},
		{"if set, not", "a = ${b?text}", "a", ""},
		{"if unset", "a = ${b:text}", "a", "text"},
		{"if unset, not", "a = ${b:text}\nb = 1", "a", ""},
		{"either, first", "a = ${b?{x}:{y}}\nb = 1", "a", "x"},
		{"either, second", "a = ${b ? {x} : {y}}", "a", "y"},
		{"nested", "a = ${b?{${c?{1}:{2}}}:{3}}\nb = 1", "a", "2"},
		{"config directory", "a = $config_directory/x", "a", "/etc/postfix/x"},
		{"equal", "a = ${{$b} == {1} ? {x} : {y}}\nb = 1", "a", "x"},
		{"not equal", "a = ${{$b} != {1} ? {x} : {y}}\nb = 1", "a", "y"},
		{"number", "a = ${{9} < {10} ? {x} : {y}}", "a", "x"},
		{"level", "compatibility_level = 3.10\na = ${{$compatibility_level} <level {3.6} ? {x} : {y}}", "a", "y"},
		{"syslog name", "", "syslog_name", "postfix"},
		{"syslog name of a named instance", "multi_instance_name = postfix-out", "syslog_name", "postfix-out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseMainCF("/etc/postfix", tt.text).get(tt.setting)
			if err != nil || got != tt.want {
				t.Errorf("%s = %q, %v; want %q", tt.setting, got, err, tt.want)
			}
		})
	}
}

func TestSettingsErrors(t *testing.T) {
	tests := []struct{ name, text string }{
		{"loop", "a = $b\nb = $a"},
		{"itself", "a = x $a"},
		{"doubling", "a = $b$b\nb = $c$c\nc = $d$d\nd = $e$e\ne = $f$f\nf = $g$g\ng = $h$h\nh = $i$i\ni = $j$j\nj = $k$k\nk = 12345678"},
		{"long", "a = $b$b\nb = " + strings.Repeat("x", 40000)},
		{"open brace", "a = ${b"},
		{"no name", "a = $ b"},
		{"empty name", "a = ${}"},
		{"odd operator", "a = ${{1} =~ {2} ? {x}}"},
		{"no condition", "a = ${b!x}"},
		{"tail", "a = ${b?{x}y}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parseMainCF("/etc/postfix", tt.text).get("a"); err == nil {
				t.Errorf("a = %q, want an error", clip(got))
			}
		})
	}
}

func TestParseMasterCF(t *testing.T) {
	const text = `# comment
smtp inet n - y - - smtpd
  -o a=1 -o { b = 2 3 }
# between
  -oc=4
  -o
unix-service unix - - n - 7 pipe
  flags=F user=x argv=/bin/y ${z}
short line
`
	got, bad := parseMasterCF(text)
	want := []service{
		{"smtp", "inet", "-", "smtpd", []option{{"a", "1"}, {"b", "2 3"}, {"c", "4"}}},
		{"unix-service", "unix", "7", "pipe", nil},
	}
	if diff := cmp.Diff(got, want, cmp.AllowUnexported(service{}, option{})); diff != "" || bad != 1 {
		t.Errorf("bad %d; (-got +want):\n%s", bad, diff)
	}
}

func FuzzMainCF(f *testing.F) {
	f.Add("queue_directory = ${a?{$b}:{c}}\n# x\n a = $a\n")
	f.Add("queue_directory = ${{1} <=level {3.6} ? {x} : ${y:$$}}")
	f.Add("queue_directory = $queue_directory$(x)$")
	f.Fuzz(func(t *testing.T, text string) {
		s := parseMainCF("/etc/postfix", text)
		for name := range s.set {
			if name == "" || strings.ContainsAny(name, " \t\n") {
				t.Errorf("setting named %q", name)
			}
		}
		v, err := s.get("queue_directory")
		if err != nil && v != "" || len(v) > maxExpanded {
			t.Errorf("%d bytes, %v", len(v), err)
		}
		again, _ := s.get("queue_directory")
		if again != v {
			t.Errorf("first %q, then %q", v, again)
		}
		if len(s.notes) > maxBadLines {
			t.Errorf("%d notes", len(s.notes))
		}
	})
}

func FuzzMasterCF(f *testing.F) {
	f.Add("smtp inet n - y - - smtpd\n  -o a=1 -o { b = 2 3 }\n")
	f.Add("[::1]:smtp inet n - y - 0 postscreen\nsmtpd pass - - n - 4 smtpd -o syslog_name=$x/y\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, bad := parseMasterCF(text)
		if lines := slices.Collect(logicalLines(text)); len(list)+bad != len(lines) {
			t.Errorf("%d services and %d bad of %d lines", len(list), bad, len(lines))
		}
		c := parseMainCF("/etc/postfix", "")
		found, unknown := listens(c, list, wellKnownPort)
		for _, l := range found {
			if l.Port == 0 || l.MaxProc < 0 {
				t.Errorf("listen %+v", l)
			}
		}
		if len(unknown) > len(list) {
			t.Errorf("%d unknown of %d", len(unknown), len(list))
		}
		for _, n := range logNames(c, list, "postfix") {
			if n.value == "" || n.value == "postfix" {
				t.Errorf("log name %q", n.value)
			}
		}
	})
}
