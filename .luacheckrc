std = 'lua51'
read_globals = { 'redis', 'FIELDS' }
max_code_line_length = 110
max_comment_line_length = 120
-- What calls the operations is written where the program is made.
ignore = { '211/call' }
