package adapter

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestMend(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
		root bool // rights can help
	}{
		{"missing", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "restore /etc/postfix/main.cf", false},
		{"not permitted", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, "chmod o+r /etc/postfix/main.cf", true},
		{"another", &fs.PathError{Op: "read", Path: "x", Err: errors.New("input/output error")}, "ls -lL /etc/postfix/main.cf", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Mend(tt.err, "/etc/postfix/main.cf")
			if !strings.Contains(got, tt.want) || strings.Contains(got, "as root") != tt.root {
				t.Errorf("advice %q", got)
			}
		})
	}
}
