"""SIP workers: small, disposable processes that signal by pjsua2 and carry no media.

A zygote forks them in milliseconds. A worker holds as many calls as its build of pjsip does (four in the
wheel), knows no secret but that of the call at hand, has no database, and is replaced when it dies.
"""
