package diagnose

func monitorRules() []Rule { return nil }
