"""What a remote cell must do, whatever engine provides its workers: one suite, every engine."""
