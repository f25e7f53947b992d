"""What every room may import: it knows neither graph nor sequence."""
