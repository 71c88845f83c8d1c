package drill

import "context"

// runApart does a drill in namespaces of its own.
func runApart(context.Context, Drill, Options) (Row, error) {
	return Row{}, Lacks("it needs namespaces of its own")
}
