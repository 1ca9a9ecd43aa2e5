"""What our worker is measured against: as plain as they can be, each a process."""

PLAIN_WORKER = "plain"  # the name it registers under
