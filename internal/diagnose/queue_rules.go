package diagnose

func queueRules() []Rule { return nil }
