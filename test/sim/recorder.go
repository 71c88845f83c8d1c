package sim

type recorder struct{}

func (r *recorder) arrival(h *Host, m *message, c *cohort, held bool)              {}
func (r *recorder) queued(h *Host, m *message, c *cohort)                          {}
func (r *recorder) attempt(h *Host, x *destination, m *message, c *cohort, f fate) {}
func (r *recorder) expired(h *Host, m *message)                                    {}
func (r *recorder) removed(h *Host, m *message)                                    {}
func (r *recorder) flush()                                                         {}
func (r *recorder) idlers(h *Host, n int)                                          {}
func (r *recorder) refused(h *Host, k refusal, n int)                              {}
func (r *recorder) attackers(h *Host, a *attack, n int)                            {}
