"""What changes a kernel: the plan (pure), its application, and one thin file per edge."""
