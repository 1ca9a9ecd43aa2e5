"""One file a provider; each line below offers one."""
