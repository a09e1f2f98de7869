"""What objects ask for, and what of it is carried out."""
