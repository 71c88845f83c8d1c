// Command mtawatch watches a mail server's queues, delivery failures, inbound
// connections and daemons, and tells what is wrong.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // --timezone works on machines without zone files

	"github.com/mtawatch/mtawatch/internal/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr))
}
